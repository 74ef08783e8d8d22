//! coble in containers of coble, each in a user namespace of its own.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::path::Path;

use coble_tests::{Bundle, Case, rootfs};
use serde_json::{Value, json};

/// Everything that root of a user namespace can have.
const CAPABILITIES: [&str; 12] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_SETFCAP",
    "CAP_SYS_ADMIN",
    "CAP_SYS_CHROOT",
    "CAP_NET_ADMIN",
];

fn mapping(container: u32, host: u32, size: u32) -> Value {
    json!({"containerID": container, "hostID": host, "size": size})
}

/// A configuration for a level: its root may make containers, and its `/proc` is whole.
fn level(case: &Case, ids: &Value, line: &str) -> Value {
    let mut config = case.config();
    let linux = &mut config["linux"];
    for member in ["uidMappings", "gidMappings"] {
        linux[member] = ids.clone();
    }
    linux["namespaces"] = ["pid", "ipc", "uts", "mount", "cgroup", "user"]
        .map(|kind| json!({"type": kind}))
        .as_slice()
        .into();
    linux["maskedPaths"] = json!([]);
    linux["readonlyPaths"] = json!([]);
    linux["resources"] = json!({});
    config["root"]["readonly"] = false.into();
    config["process"]["noNewPrivileges"] = false.into();
    for set in ["bounding", "effective", "permitted"] {
        config["process"]["capabilities"][set] = CAPABILITIES.as_slice().into();
    }
    config["process"]["args"] = json!(["sh", "-euc", line]);
    config["mounts"] = json!([
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]},
        {"destination": "/sys", "type": "bind", "source": "/sys", "options": ["rbind", "ro"]},
        {"destination": "/coble", "type": "bind", "source": "/coble", "options": ["bind", "ro"]},
    ]);
    config
}

/// The line that runs the next level.
const NEXT: &str = "/coble --root /tmp/state run --bundle /inner next";

/// The bundle of the first level, with that of each further one in the root of the one before.
fn bundle(case: &Case, levels: Vec<Value>) -> Bundle {
    let outer = Bundle::new(case.folder("bundle"), Value::Null);
    rootfs(&outer.rootfs());
    let mut root = outer.rootfs();
    let mut levels = levels.into_iter();
    let mut first = levels.next().unwrap();
    first["mounts"][3]["source"] = case.program().to_str().unwrap().into();
    for config in levels {
        let inner = root.join("inner");
        rootfs(&inner.join("rootfs"));
        std::fs::write(inner.join("config.json"), config.to_string()).unwrap();
        root = inner.join("rootfs");
    }
    Bundle::new(outer.path, first)
}

fn own(case: &Case, path: &Path, owner: u32) {
    let chown = coble_tests::Cmd::new("chown", &case.id, &case.dir.join("output"));
    chown.args(["-hR", &format!("{owner}:{owner}")]).arg(path).output().ok();
}

/// What the innermost says: its level's name, its number, who it is, how many processes it sees, and its ids.
const DEEPEST: &str = "echo deepest $$ $(id -u) $(ls /proc | grep -c '^[0-9]*$'); \
                       cat /proc/self/uid_map; cat /proc/self/setgroups; \
                       echo x > /tmp/x";

#[test]
fn three_deep_as_root() {
    let Some(case) = Case::root() else { return };
    let levels = vec![
        level(&case, &json!([mapping(0, 100_000, 3000)]), NEXT),
        level(&case, &json!([mapping(0, 0, 1), mapping(1, 1000, 1000)]), NEXT),
        level(&case, &json!([mapping(0, 0, 1), mapping(1, 501, 500)]), DEEPEST),
    ];
    let bundle = bundle(&case, levels);
    own(&case, &bundle.path, 100_000);
    let said = case.run(&bundle).output().stdout();
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words[..3], ["deepest", "1", "0"], "{said}");
    assert_eq!(words[4..], ["0", "0", "1", "1", "501", "500", "allow"], "{said}");
    assert!(words[3].parse::<u32>().unwrap() < 6, "it sees others' processes: {said}");
    case.assert_clean();
}

#[test]
fn three_deep_as_a_plain_user() {
    let Some(case) = Case::plain() else { return };
    let uid = case.config()["linux"]["uidMappings"][0]["hostID"].as_u64().unwrap();
    let uid = u32::try_from(uid).unwrap();
    let inner = json!([mapping(0, 0, 1)]);
    let levels = vec![
        level(&case, &json!([mapping(0, uid, 1)]), NEXT),
        level(&case, &inner, NEXT),
        level(&case, &inner, DEEPEST),
    ];
    let bundle = bundle(&case, levels);
    own(&case, &bundle.path, uid);
    let said = case.run(&bundle).output().stdout();
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words[..3], ["deepest", "1", "0"], "{said}");
    assert_eq!(words[4..], ["0", "0", "1", "deny"], "{said}");
    case.assert_clean();
}

#[test]
fn ids_that_the_outer_namespace_lacks_are_refused() {
    let Some(case) = Case::root() else { return };
    let inner = json!([mapping(0, 0, 1), mapping(1, 2500, 501)]);
    let levels = vec![
        level(&case, &json!([mapping(0, 100_000, 3000)]), NEXT),
        level(&case, &inner, "echo never"),
    ];
    let bundle = bundle(&case, levels);
    own(&case, &bundle.path, 100_000);
    let words = ["/linux/uidMappings/1: the user ids 2500-3000 are not in one range"];
    case.refuses(case.run(&bundle), &words);
}

#[test]
fn a_masked_proc_outside_is_named_and_what_helps_works() {
    let Some(case) = Case::plain() else { return };
    let uid = case.config()["linux"]["uidMappings"][0]["hostID"].as_u64().unwrap();
    let uid = u32::try_from(uid).unwrap();
    let ids = json!([mapping(0, uid, 1)]);
    let inner = level(&case, &json!([mapping(0, 0, 1)]), "echo words");
    let mut outer = level(&case, &ids, NEXT);
    outer["linux"]["maskedPaths"] = json!(["/proc/kcore", "/proc/keys"]);
    let masked = bundle(&case, vec![outer.clone(), inner.clone()]);
    own(&case, &masked.path, uid);
    let words = [
        "(/mounts/0): fsmount",
        "operation not permitted: /proc/k",
        "is mounted over here, and a user namespace gets a new proc only where",
        "systempaths=unconfined",
        "with the option rbind in place of proc",
    ];
    case.refuses(case.run(&masked), &words);

    // The mount that the error names helps.
    let mut bound = inner;
    bound["mounts"][0] =
        json!({"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]});
    std::fs::write(masked.inside("/inner/config.json"), bound.to_string()).unwrap();
    assert_eq!(case.run(&masked).output().stdout(), "words\n");
}

#[test]
fn a_limit_of_namespaces_is_named() {
    let Some(case) = Case::plain() else { return };
    let bundle = bundle(&case, vec![level(&case, &json!([mapping(0, 0, 1)]), "echo never")]);
    let line = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$@\"";
    let unshare = case.tool("unshare").args(["--user", "--map-root-user", "sh", "-c", line, "sh"]);
    let run = unshare.arg(case.program()).arg("--root").arg(case.state_root());
    let run = run.args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id);
    bundle.write();
    case.refuses(run, &["clone3: no space left on device", "/proc/sys/user has the limits"]);
}

#[test]
fn namespaces_that_new_file_systems_take_are_named() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.without_namespace("pid");
    let words = ["(/mounts/0)", "operation not permitted: in a user namespace it takes a new pid"];
    case.refuses(case.run(&bundle), &words);

    let mut bundle = case.bundle_at("other");
    bundle.without_mount("/sys").mount("sysfs", "sysfs", "/sys", &["ro"]);
    bundle.without_namespace("network");
    let words = ["operation not permitted: in a user namespace it takes a new network namespace"];
    case.refuses(case.run(&bundle), &words);
}
