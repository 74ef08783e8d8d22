#!/bin/sh
# A machine for one Podman, as long as standard input is open; says a line on standard output when it is there.
#
#   engine.sh DIR NAME USER CGROUPS    DIR: a folder with the copy `etc` of /etc. NAME: of its cgroups. USER: the
#                                      number of the user that Podman runs as, whose folder /run/own is. CGROUPS:
#                                      `host`, as the machine has them; `v2`, v2 alone; `delegated`, v2 alone and
#                                      all of it the user's.
#
# To be run in mount and pid namespaces of its own: with the first process the kernel ends all others.
set -eu
dir=$1 name=$2 user=$3 cgroups=$4

[ ! -e "$dir/etc" ] || mount --bind "$dir/etc" /etc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 700 /run/own
chown "$user:$user" /run/own
# As systemd has it; Podman warns elsewhere.
mount --make-rshared /

# Of those that make tap devices the user has to be one.
if [ -e /dev/net/tun ]; then
    mkdir "$dir/net"
    mount -t tmpfs tmpfs "$dir/net"
    mknod -m 666 "$dir/net/tun" c 10 200
    mount --bind "$dir/net/tun" /dev/net/tun
    umount -l "$dir/net"
fi

if [ "$cgroups" = host ]; then
    echo
    exec cat
fi
umount -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
if [ "$cgroups" = v2 ]; then
    echo
    exec cat
fi

# cgroups(7), "Delegation": who has a cgroup has these of its files. Podman is in `user`; the containers are beside it.
for cgroup in "$name" "$name/user"; do
    mkdir "/sys/fs/cgroup/$cgroup"
    for file in . cgroup.procs cgroup.threads cgroup.subtree_control; do
        chown "$user:$user" "/sys/fs/cgroup/$cgroup/$file"
    done
done
echo $$ >"/sys/fs/cgroup/$name/cgroup.procs"
exec unshare --cgroup sh -euc '
    umount /sys/fs/cgroup
    mount -t cgroup2 none /sys/fs/cgroup
    echo $$ >/sys/fs/cgroup/user/cgroup.procs
    echo
    exec cat'
