//! `coble mounts`: mounts of a container that is there already, seen from inside.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::symlink;

use coble_tests::{Bundle, Case, Output, skip};
use serde_json::{Value, json};

/// Whether the mount of a path is read-only, or forbids devices, programs or set-user-ID bits.
fn is_restricted(path: &str) -> bool {
    use rustix::fs::StatVfsMountFlags as Flags;
    let restrictions = Flags::RDONLY | Flags::NOSUID | Flags::NODEV | Flags::NOEXEC;
    rustix::fs::statvfs(path).unwrap().f_flag.intersects(restrictions)
}

fn sleeping(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.args(&["sleep", "1000000"]).writable();
    bundle
}

fn change(case: &Case, action: &str, mounts: &Value) -> Output {
    let text = mounts.to_string();
    case.coble().args(["mounts", action, &case.id, "-"]).stdin(text.as_bytes()).output()
}

fn sh(case: &Case, line: &str) -> String {
    case.exec(&["sh", "-c", line]).output().stdout()
}

/// A folder of the host with a file in it.
fn source(case: &Case) -> String {
    let folder = case.folder("source");
    case.file("source/file", "from the host\n");
    folder.to_str().unwrap().to_owned()
}

/// Options and optional fields of the mount on a path.
fn mount_line(case: &Case, path: &str) -> String {
    sh(case, &format!("grep ' {path} ' /proc/self/mountinfo || true"))
}

#[test]
fn mounts_come_and_go() {
    let Some(case) = Case::root() else { return };
    let source = source(&case);
    case.detach(&sleeping(&case));
    let mounts = json!([
        {"destination": "/data", "source": source, "options": ["bind", "ro", "nosuid"]},
        {"destination": "/data2/deep", "type": "bind", "source": source},
        {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k", "mode=711"]},
        {"destination": "/scratch/one", "type": "bind", "source": format!("{source}/file")},
        {"destination": "/closed", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]},
    ]);
    let _ = change(&case, "add", &mounts).ok();
    assert_eq!(sh(&case, "cat /data/file /scratch/one"), "from the host\nfrom the host\n");
    assert_eq!(sh(&case, "touch /data/x 2>/dev/null || echo no"), "no\n");
    assert_eq!(sh(&case, "touch /closed/x 2>/dev/null || echo no"), "no\n");
    sh(&case, "echo inside > /data2/deep/new; echo more > /scratch/new");
    assert_eq!(fs::read_to_string(format!("{source}/new")).unwrap(), "inside\n");
    assert_eq!(sh(&case, "stat -c %a /scratch"), "711\n");
    let line = mount_line(&case, "/data");
    assert!(line.contains(" ro,nosuid") && !line.contains("shared:"), "{line}");
    assert!(!mount_line(&case, "/data2/deep").contains("shared:"));
    let _ = change(&case, "remove", &mounts).ok();
    for path in ["/data", "/data2/deep", "/scratch", "/scratch/one", "/closed"] {
        assert_eq!(mount_line(&case, path), "", "{path}");
    }
    assert_eq!(sh(&case, "ls /data /scratch"), "/data:\n\n/scratch:\n");
    case.delete_force();
}

/// The options are the mount's own: with `rw` on a read-only root, and `rshared` if somebody wants it.
#[test]
fn a_file_keeps_what_it_was_and_propagation_is_as_asked() {
    let Some(case) = Case::root() else { return };
    let source = source(&case);
    case.detach(&sleeping(&case));
    let file = json!([{"destination": "/etc/passwd", "source": format!("{source}/file"),
        "options": ["bind", "rshared"]}]);
    let _ = change(&case, "add", &file).ok();
    assert_eq!(sh(&case, "cat /etc/passwd"), "from the host\n");
    assert!(mount_line(&case, "/etc/passwd").contains("shared:"));
    let _ = change(&case, "remove", &json!([{"destination": "/etc/passwd"}])).ok();
    assert!(sh(&case, "cat /etc/passwd").contains("root:x:0"));
    case.delete_force();
}

#[test]
fn a_destination_stays_inside_the_root() {
    let Some(case) = Case::root() else { return };
    let source = source(&case);
    let outside = case.folder("outside");
    let bundle = sleeping(&case);
    symlink(&outside, bundle.inside("/link")).unwrap();
    symlink("../../../../../../tmp", bundle.inside("/up")).unwrap();
    case.detach(&bundle);
    for path in ["/link/x", "/up/y"] {
        let mounts = json!([{"destination": path, "source": source, "options": ["bind"]}]);
        let _ = change(&case, "add", &mounts).refused(&["too many levels of symbolic links"]);
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    let mounts = json!([{"destination": "/a/../tmp/y", "source": source, "options": ["bind"]}]);
    let _ = change(&case, "add", &mounts).ok();
    assert_eq!(sh(&case, "cat /tmp/y/file"), "from the host\n");
    // Who follows a link here may be led to a mount that hides something.
    sh(&case, "ln -s /proc/kcore /evil; mkdir /plain");
    let remove = |path: &str, words: &[&str]| {
        let _ = change(&case, "remove", &json!([{"destination": path}])).refused(words);
    };
    remove(
        "/evil",
        &["unmount /evil", "/mounts/0/destination", "too many levels of symbolic links"],
    );
    remove("/up/y", &["too many levels of symbolic links"]);
    remove("/plain", &["/plain", "no mount point"]);
    remove("/missing", &["no such file or directory"]);
    remove("/", &["/mounts/0/destination: a mount cannot take the place of the root"]);
    remove("/a/..", &["a mount cannot take the place of the root"]);
    let _ = change(&case, "remove", &json!([{"destination": "/tmp/y"}])).ok();
    let over = json!([{"destination": "/proc/uptime2", "source": source, "options": ["bind"]}]);
    let _ = change(&case, "add", &over).refused(&["/proc/uptime2", "inside /proc"]);
    let over = json!([{"destination": "/proc", "source": source, "options": ["bind"]}]);
    let _ = change(&case, "add", &over).refused(&["it is not of type proc"]);
    let link = json!([{"destination": "/proc/self/../x", "source": source, "options": ["bind"]}]);
    let _ = change(&case, "add", &link).refused(&["inside /proc"]);
    case.delete_force();
}

#[test]
fn of_mounts_that_fail_none_is_left() {
    let Some(case) = Case::root() else { return };
    let source = source(&case);
    let bundle = sleeping(&case);
    symlink("/tmp", bundle.inside("/bin/zlink")).unwrap();
    case.detach(&bundle);
    let before = sh(&case, "cat /proc/self/mountinfo | wc -l");
    let first = json!({"destination": "/first", "source": source, "options": ["bind"]});
    let fails = |second: Value, words: &[&str]| {
        let _ = change(&case, "add", &json!([first, second])).refused(words);
        assert_eq!(sh(&case, "cat /proc/self/mountinfo | wc -l"), before);
    };
    fails(
        json!({"destination": "/etc/passwd", "source": source, "options": ["bind"]}),
        &["/mounts/1", "not a directory"],
    );
    fails(
        json!({"destination": "/bin/zlink/x", "source": source, "options": ["bind"]}),
        &["/mounts/1", "too many levels"],
    );
    fails(
        json!({"destination": "/x", "type": "tmpfs", "options": ["size=what"]}),
        &["/mounts/1", "fsconfig"],
    );
    fails(
        json!({"destination": "/x", "source": "/none/such", "options": ["bind"]}),
        &["/mounts/1/source", "/none/such: no such file or directory"],
    );
    fails(json!({"destination": "/x", "type": "proc"}), &["/mounts/1/type"]);
    fails(
        json!({"destination": "/x", "type": "overlay", "options": ["lowerdir=/a:/b"]}),
        &["/mounts/1/type", "\"overlay\""],
    );
    fails(json!({"destination": "/x", "options": ["remount", "ro"]}), &["/mounts/1/options"]);
    fails(
        json!({"destination": "/x", "source": source, "options": ["bind", "idmap"],
            "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}],
            "gidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}),
        &["/mounts/1/options", "ids can't be mapped"],
    );
    let bad = case.coble().args(["mounts", "add", &case.id, "-"]).stdin(b"{}").output();
    let _ = bad.refused(&["standard input: "]);
    let _ = case.coble().args(["mounts", "swap", &case.id, "-"]).output().refused(&["swap"]);
    case.delete_force();
}

#[test]
fn in_a_user_namespace() {
    let Some(case) = Case::root() else { return };
    let folder = source(&case);
    // Only the host's root may go there.
    let closed = case.dir.join("source");
    fs::set_permissions(closed, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut bundle = sleeping(&case);
    case.give_rootfs(&bundle, 100_000);
    bundle.user_namespace(100_000, 65536);
    case.detach(&bundle);
    if is_restricted(&folder) {
        return skip("the mount of the case's folder has restrictions");
    }
    let mounts = json!([
        {"destination": "/data", "source": format!("{folder}/file"), "options": ["bind", "ro"]},
        {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs"},
    ]);
    let _ = change(&case, "add", &mounts).ok();
    assert_eq!(
        sh(&case, "cat /data; echo x > /scratch/x; stat -c %u /scratch/x"),
        "from the host\n0\n"
    );
    assert_eq!(sh(&case, "(echo y > /data) 2>/dev/null || echo no"), "no\n");
    let _ = change(&case, "remove", &mounts).ok();
    assert_eq!(mount_line(&case, "/data") + &mount_line(&case, "/scratch"), "");
    // Nothing locks on an added mount what the host's mount forbids.
    let bind = |source: &str, kind: &str| json!([{"destination": "/x", "source": source, "options": [kind]}]);
    let view = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let elsewhere =
        case.tool("unshare").args(["--mount", "--propagation", "private", "sh", "-c", view]);
    let elsewhere = elsewhere.arg(&folder).arg(case.program()).arg("--root").arg(case.state_root());
    let text = bind(&folder, "bind").to_string();
    let elsewhere = elsewhere.args(["mounts", "add", &case.id, "-"]).stdin(text.as_bytes());
    let _ = elsewhere.output().refused(&["/mounts/0/source", "could be lifted"]);
    let _ = change(&case, "add", &bind(&folder, "rbind")).refused(&["/mounts/0/options", "rbind"]);
    case.delete_force();
}

#[test]
fn only_a_container_that_is_alive_and_has_mounts_of_its_own() {
    let Some(case) = Case::root() else { return };
    let mounts = json!([{"destination": "/x", "type": "tmpfs", "source": "tmpfs"}]);
    let _ = change(&case, "add", &mounts).refused(&["container does not exist"]);
    let bundle = sleeping(&case);
    case.create(&bundle).output().ok();
    let _ = change(&case, "add", &mounts).ok();
    case.verb(&["start"]).output().ok();
    assert!(mount_line(&case, "/x").contains(" tmpfs "));
    case.verb(&["pause"]).output().ok();
    let _ = change(&case, "remove", &mounts).ok();
    case.verb(&["resume"]).output().ok();
    assert_eq!(mount_line(&case, "/x"), "");
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    for action in ["add", "remove"] {
        let _ = change(&case, action, &mounts).refused(&["container not running"]);
    }
    case.delete();
    let mut bundle = case.bundle_at("shared");
    bundle.args(&["sleep", "1000000"]).writable().without_namespace("mount");
    bundle.config["mounts"] = json!([]);
    for key in ["maskedPaths", "readonlyPaths"] {
        bundle.config["linux"].as_object_mut().unwrap().remove(key);
    }
    case.detach(&bundle);
    let _ = change(&case, "add", &mounts).refused(&["no mount namespace of its own"]);
    case.delete_force();
}
