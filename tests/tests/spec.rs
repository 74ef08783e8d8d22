//! `spec`: the configuration that a new bundle starts from.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::Case;
use serde_json::{Value, json};

fn example() -> Value {
    let capabilities = json!(["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    json!({
        "ociVersion": "1.3.0",
        "process": {
            "terminal": true,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=xterm",
            ],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
            },
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "runc",
        "mounts": [
            mount("/proc", "proc", "proc", &[]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", "devpts", &[
                "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5",
            ]),
            mount("/dev/shm", "tmpfs", "shm", &[
                "nosuid", "noexec", "nodev", "mode=1777", "size=65536k",
            ]),
            mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", "cgroup", &[
                "nosuid", "noexec", "nodev", "relatime", "ro",
            ]),
        ],
        "linux": {
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
            ],
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware",
                "/proc/scsi",
            ],
            "readonlyPaths": [
                "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
            ],
        },
    })
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Value {
    let mut mount = json!({"destination": destination, "type": kind, "source": source});
    if !options.is_empty() {
        mount["options"] = options.into();
    }
    mount
}

/// What the example is without root's rights.
fn rootless(uid: u32) -> Value {
    let mut config = example();
    let map = json!([{"containerID": 0, "hostID": uid, "size": 1}]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
    config["linux"].as_object_mut().unwrap().remove("resources");
    let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.retain(|namespace| namespace["type"] != "network");
    namespaces.push(json!({"type": "user"}));
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts[2]["options"].as_array_mut().unwrap().pop();
    mounts[5] = mount("/sys", "none", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]);
    config
}

fn written(place: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(place.join("config.json")).unwrap()).unwrap()
}

/// Compares with a message that names the part that differs.
#[track_caller]
fn assert_same(written: &Value, expected: &Value) {
    for key in ["ociVersion", "process", "root", "hostname", "mounts", "linux"] {
        assert_eq!(written[key], expected[key], "{key}");
    }
    assert_eq!(written, expected);
}

#[test]
fn the_example_is_runcs() {
    let Some(case) = Case::root() else { return };
    if fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap() {
        return coble_tests::skip("the machine has cgroup v2 alone: the example differs there");
    }
    let output = case.bare().arg("spec").cwd(&case.dir).output().ok();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    assert_same(&written(&case.dir), &example());
}

#[test]
fn with_cgroup_v2_alone_a_cgroup_namespace_is_added() {
    let Some(case) = Case::root() else { return };
    let view = "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec \"$@\"";
    let unshare = case.tool("unshare").args(["--mount", "--propagation", "private", "sh", "-c"]);
    let spec = unshare.args([view, "sh"]).arg(case.program()).arg("spec").cwd(&case.dir);
    spec.output().ok();
    let mut expected = example();
    expected["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "cgroup"}));
    assert_same(&written(&case.dir), &expected);
}

#[test]
fn the_rootless_example() {
    let Some(case) = Case::plain() else { return };
    if fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap() {
        return coble_tests::skip("the machine has cgroup v2 alone: the example differs there");
    }
    case.bare().args(["spec", "--rootless"]).cwd(&case.dir).output().ok();
    let written = written(&case.dir);
    let uid = written["linux"]["uidMappings"][0]["hostID"].as_u64().unwrap();
    assert_same(&written, &rootless(u32::try_from(uid).unwrap()));
    use std::os::unix::fs::MetadataExt;
    let file = fs::metadata(case.dir.join("config.json")).unwrap();
    assert_eq!(u64::from(file.uid()), uid, "the mapping is the user's own");
}

#[test]
fn the_bundle_can_be_elsewhere() {
    let Some(case) = Case::root() else { return };
    let place = case.folder("place");
    case.bare().args(["spec", "--bundle"]).arg(&place).output().ok();
    assert_eq!(written(&place)["hostname"], "runc");
    let missing = case.dir.join("missing");
    case.refuses(case.bare().args(["spec", "-b"]).arg(&missing), &["missing", "no such file"]);
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let Some(case) = Case::root() else { return };
    let file = case.file("config.json", "mine");
    case.refuses(case.bare().arg("spec").cwd(&case.dir), &["config.json exists. Remove it first"]);
    assert_eq!(fs::read_to_string(file).unwrap(), "mine");
}

#[test]
fn the_file_is_written_for_people() {
    let Some(case) = Case::root() else { return };
    case.bare().arg("spec").cwd(&case.dir).output().ok();
    let text = fs::read_to_string(case.dir.join("config.json")).unwrap();
    assert!(text.lines().count() > 100, "one value a line");
    assert!(text.starts_with("{\n\t\"ociVersion\""), "{}", &text[..40]);
}
