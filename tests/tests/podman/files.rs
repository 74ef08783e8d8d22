//! Volumes, and what else is mounted.

use std::fs;

use coble_tests::podman::Podman;

#[test]
fn folders_of_the_host() {
    let Some(podman) = Podman::new() else { return };
    let folder = podman.case.folder("data");
    podman.case.file("data/file", "from the host\n");
    let path = folder.to_str().unwrap();
    let script = "cat /made/data/file; echo from inside > /made/data/new";
    let volume = format!("--volume={path}:/made/data");
    assert_eq!(podman.sh(&[&volume], script), "from the host");
    assert_eq!(fs::read_to_string(folder.join("new")).unwrap(), "from inside\n");
    let script = "cat /data/new; touch /data/other || echo refused";
    let volume = format!("--volume={path}:/data:ro");
    assert_eq!(podman.sh(&[&volume], script), "from inside\nrefused");
    assert!(!folder.join("other").exists());
}

#[test]
fn a_named_volume_outlives_its_container() {
    let Some(podman) = Podman::new() else { return };
    assert_eq!(podman.sh(&["--volume=kept:/data"], "echo kept > /data/file"), "");
    let script = "cat /data/file; touch /data/new || echo refused";
    assert_eq!(podman.sh(&["--volume=kept:/data:ro"], script), "kept\nrefused");
    podman.says(&["volume", "rm", "kept"]);
}

#[test]
fn a_read_only_root_has_its_temporary_folders() {
    let Some(podman) = Podman::new() else { return };
    let script = "touch /x || echo refused; touch /tmp/x /run/x /dev/shm/x && echo written; grep -c '^t /t ' /proc/mounts
        df -k /t | tail -n 1 | awk '{print $2}'";
    let flags = ["--read-only", "--mount=type=tmpfs,destination=/t,tmpfs-size=1m"];
    let said = podman.sh(&flags, script);
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["refused", "written", "0", "1024"]);
}

#[test]
fn files_are_copied_in_and_out() {
    let Some(podman) = Podman::new() else { return };
    let file = podman.case.file("file", "copied\n");
    podman.detach("idle", &[], "exec sleep 1000");
    podman.says(&["cp", file.to_str().unwrap(), "idle:/tmp/file"]);
    assert_eq!(podman.says(&["exec", "idle", "cat", "/tmp/file"]), "copied");
}
