# Has an engine write the configurations of containers, none of which is made.
#
#   engine.sh ENGINE DIR CGROUP FLAGS...    ENGINE: containerd, docker or podman. DIR: a folder with a root file system
#                                           in `rootfs`, where DIR/N.json becomes what the engine writes for the Nth
#                                           container. CGROUP: the name of a cgroup for them. FLAGS: those of one
#                                           container, in one word.
#
# It runs in mount, network and pid namespaces of its own, with which everything of the engine ends.
set -eu
if [ "$1" != inside ]; then
    unshare --mount --propagation private --net --pid --fork --kill-child --mount-proc sh "$0" inside "$@" && status=0 ||
        status=$?
    # Podman's conmon makes one before it calls the runtime.
    for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
        [ ! -d "$root/$3" ] || find "$root/$3" -depth -type d -exec rmdir {} +
    done
    exit "$status"
fi
engine=$2 dir=$3 cgroup=$4
shift 4
# Sockets of containerd's shims, locks and network namespaces are nobody else's business.
mount -t tmpfs tmpfs /run

# In place of a runtime: it keeps the configuration, and fails.
cat >"$dir/runtime" <<RUNTIME
#!/bin/sh
while [ \$# -gt 0 ]; do
    case \$1 in --bundle) cp "\$2/config.json" "$dir/kept" ;; esac
    shift
done
exit 1
RUNTIME
chmod +x "$dir/runtime"

# What the daemon needs, until it answers.
daemon() {
    "$@" </dev/null >"$dir/log" 2>&1 &
    tries=0
    until client version >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || { cat "$dir/log" >&2; exit 1; }
        sleep 0.1
    done
}

case $engine in
containerd)
    client() { ctr --address "$dir/socket" "$@"; }
    cat >"$dir/config" <<CONFIG
version = 2
root = "$dir/data"
state = "$dir/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$dir/socket"
CONFIG
    daemon containerd --config "$dir/config"
    container() { client run --runc-binary "$dir/runtime" --seccomp $1 --rootfs "$dir/rootfs" "$2" true; }
    ;;
docker)
    client() { DOCKER_HOST="unix://$dir/socket" DOCKER_CONFIG="$dir/client" docker "$@"; }
    echo '{}' >"$dir/config"
    daemon dockerd --config-file "$dir/config" --host "unix://$dir/socket" --pidfile "$dir/pid" --data-root "$dir/data" \
        --exec-root "$dir/state" --storage-driver vfs --bridge none --iptables=false --ip-forward=false \
        --exec-opt native.cgroupdriver=cgroupfs --add-runtime "keep=$dir/runtime"
    tar -C "$dir/rootfs" -cf "$dir/image.tar" .
    client import "$dir/image.tar" box >/dev/null
    container() { client run --name "$2" --runtime keep --network none $1 box true; }
    ;;
podman)
    # With cgroup v1 it makes folders of controllers that aren't mounted.
    umount -R /sys/fs/cgroup
    mount -t cgroup2 none /sys/fs/cgroup
    container() {
        podman --root "$dir/data" --runroot /run/podman --tmpdir /run/podman/tmp --storage-driver vfs \
            --cgroup-manager cgroupfs --events-backend none --runtime "$dir/runtime" \
            run --name "$2" --network none --cgroup-parent "/$cgroup" $1 --rootfs "$dir/rootfs" true
    }
    ;;
esac

number=0
for flags; do
    number=$((number + 1))
    # It fails, for the runtime does.
    container "$flags" "c$number" >"$dir/said" 2>&1 || true
    mv "$dir/kept" "$dir/$number.json" || { cat "$dir/said" >&2; exit 1; }
done
