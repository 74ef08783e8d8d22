#!/bin/sh
# Runs a Docker Engine of its own until standard input ends, and leaves nothing of it behind.
#
#   engine.sh DIR CGROUP     DIR: a folder for everything that the engine writes, with daemon.json in it.
#                            CGROUP: the name of the cgroup that holds all of its containers.
#
# The engine gets mount, network and pid namespaces of its own. So it meets neither the machine's own
# Docker Engine, nor its firewall, bridges and mounts; and when the caller dies, however it dies, its end
# of the pipe closes, the first process of the pid namespace ends, and the kernel ends everything else.
set -eu
dir=$1 cgroup=$2

# The script comes through standard input: the pipe goes in under another number.
unshare --mount --propagation private --net --pid --fork --kill-child --mount-proc \
    sh -eu -s "$dir" "$cgroup" 3<&0 <<'INSIDE' || true
dir=$1 cgroup=$2

# /sys shows the network devices of the namespace that it was mounted in.
mkdir "$dir/sys"
mount -t sysfs sysfs "$dir/sys"
mount --rbind /sys/fs/cgroup "$dir/sys/fs/cgroup"
mount --rbind "$dir/sys" /sys
umount -l "$dir/sys"
rmdir "$dir/sys"
# Sockets of containerd's shims and locks are nobody else's business.
mount -t tmpfs tmpfs /run
# As systemd has it; some options of "docker run" need it.
mount --make-rshared /
ip link set lo up

dockerd \
    --config-file "$dir/daemon.json" --host "unix://$dir/docker.sock" --pidfile "$dir/docker.pid" \
    --data-root "$dir/data" --exec-root "$dir/exec" --cgroup-parent "/$cgroup" \
    </dev/null >"$dir/log" 2>&1 3<&- &
dockerd=$!
{
    read -r _ <&3 || true
    kill -TERM "$dockerd"
    sleep 30
    kill -KILL "$dockerd"
} &
# As the first process of its namespace this shell also reaps the processes that lost their parents.
wait "$dockerd"
INSIDE

# cgroups outlive their processes, and no namespace took them along.
for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [ ! -d "$root/$cgroup" ] || find "$root/$cgroup" -depth -type d -exec rmdir {} +
done
rm -rf --one-file-system -- "$dir"
