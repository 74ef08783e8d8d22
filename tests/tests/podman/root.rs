//! Podman as root.

use std::fs;
use std::os::unix::fs::MetadataExt;

use coble_tests::HostCgroup;
use coble_tests::podman::Podman;

#[test]
fn limits_and_pause() {
    let Some(podman) = Podman::root() else { return };
    let controllers = ["memory", "pids", "freezer"];
    let Some(host) = HostCgroup::with(&controllers, &podman.case.id) else { return };
    podman.detach("idle", &["--memory=32m", "--pids-limit=50"], "exec sleep 1000");
    let id = podman.says(&["inspect", "--format", "{{.Id}}", "idle"]);
    let cgroup = format!("libpod-{id}");
    let memory = if host.is_v2 { "memory.max" } else { "memory.limit_in_bytes" };
    let read = |controller: &str, file: &str| {
        let path = host.dir(controller).join(&cgroup).join(file);
        fs::read_to_string(path).unwrap().trim().to_owned()
    };
    assert_eq!(read("memory", memory), "33554432");
    assert_eq!(read("pids", "pids.max"), "50");
    podman.says(&["update", "--memory=64m", "--memory-swap=64m", "idle"]);
    assert_eq!(read("memory", memory), "67108864");
    podman.says(&["pause", "idle"]);
    assert_eq!(podman.says(&["inspect", "--format", "{{.State.Status}}", "idle"]), "paused");
    podman.says(&["unpause", "idle"]);
    assert_eq!(podman.says(&["exec", "idle", "id", "-u"]), "0");
}

#[test]
fn a_user_namespace_and_a_volume_with_its_ids() {
    let Some(podman) = Podman::root() else { return };
    let folder = podman.case.folder("data");
    podman.case.file("data/file", "");
    let volume = format!("--volume={}:/data:idmap", folder.display());
    let flags = ["--uidmap=0:100000:1000", "--gidmap=0:100000:1000", &volume];
    let script =
        "awk '{print $1, $2, $3}' /proc/self/uid_map; stat -c %u /data/file; touch /data/new";
    assert_eq!(podman.sh(&flags, script), "0 100000 1000\n0");
    assert_eq!(fs::metadata(folder.join("new")).unwrap().uid(), 0);
}
