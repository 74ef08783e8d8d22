//! Random configurations, most of which are right.

use serde_json::Map;

use super::*;
use crate::capability;
use crate::prng::Prng;

const PATHS: [&str; 16] = [
    "/a",
    "a/b",
    "/a//b/../c",
    "/./x/",
    "/dev",
    "/dev/",
    "//dev/.",
    "/dev/shm",
    "/proc",
    "/proc/uptime",
    "/proc/sys/./kernel",
    "/sys",
    "/sys/fs/cgroup",
    "/../../tmp",
    "/run/é \t",
    "/etc/hosts",
];

const KINDS: [&str; 11] = [
    "bind", "none", "", "tmpfs", "proc", "sysfs", "cgroup", "cgroup2", "overlay", "mqueue", "ext4",
];

const OPTIONS: [&str; 43] = [
    "ro",
    "rw",
    "nosuid",
    "suid",
    "nodev",
    "dev",
    "noexec",
    "exec",
    "noatime",
    "strictatime",
    "norelatime",
    "nodiratime",
    "nosymfollow",
    "rro",
    "rrw",
    "rnosuid",
    "ratime",
    "sync",
    "dirsync",
    "lazytime",
    "iversion",
    "silent",
    "shared",
    "rslave",
    "private",
    "runbindable",
    "bind",
    "rbind",
    "remount",
    "defaults",
    "",
    "mode=755",
    "size=64k",
    "tmpcopyup",
    "uid=0",
    "gid=5",
    "lowerdir=/a\\,b:/c",
    "context=\"a,b\"",
    "nosuid,nodev,ro",
    "newinstance",
    "idmap",
    "ridmap",
    "idmap=uids=0-1000-5;gids=@0-0-5",
];

/// One of the numbers from 0 on, with a chance of one in `bound` each.
fn one_in(random: &mut Prng, bound: usize) -> bool {
    random.below(bound) == 0
}

fn list(random: &mut Prng, most: usize, mut item: impl FnMut(&mut Prng) -> Value) -> Value {
    (0..random.below(most + 1)).map(|_| item(random)).collect()
}

/// Each of `items` with a chance of one half.
fn some<'a>(random: &mut Prng, items: &[&'a str]) -> Vec<&'a str> {
    items.iter().copied().filter(|_| one_in(random, 2)).collect()
}

fn namespaces(random: &mut Prng) -> Vec<Value> {
    let mut found = Vec::new();
    for kind in coble_spec::NamespaceKind::ALL {
        // Little works without a mount namespace.
        let there = if kind.as_str() == "mount" { !one_in(random, 8) } else { one_in(random, 2) };
        if there && one_in(random, 4) {
            found.push(json!({ "type": kind.as_str(), "path": format!("/n//{kind}") }));
        } else if there {
            found.push(json!({ "type": kind.as_str() }));
        }
    }
    for _ in 0..found.len() {
        let (one, other) = (random.below(found.len()), random.below(found.len()));
        found.swap(one, other);
    }
    found
}

fn mount(random: &mut Prng) -> Value {
    let options = list(random, 5, |random| match random.below(30) {
        0 => json!(format!("x={}", "y".repeat(250 + random.below(12)))),
        _ => json!(random.pick(&OPTIONS)),
    });
    let mut mount = json!({
        "destination": random.pick(&PATHS), "type": random.pick(&KINDS),
        "source": random.pick(&["/s", "s/../t", "proc", "//x"]), "options": options
    });
    if one_in(random, 12) {
        let map = json!([{ "containerID": random.below(9), "hostID": 7, "size": 1 }]);
        merge(&mut mount, json!({ "uidMappings": map, "gidMappings": map }));
    }
    mount
}

fn device(random: &mut Prng) -> Value {
    let mut device = json!({
        "path": random.pick(&["/dev/null", "/dev//zero", "/dev/a", "/dev/../x", "/dev/b"]),
        "type": random.pick(&["c", "u", "b", "p"]),
        "major": random.below(4096), "minor": random.below(1 << 20)
    });
    if one_in(random, 2) {
        merge(&mut device, json!({ "fileMode": random.below(0o200_000), "uid": 3, "gid": 4 }));
    }
    device
}

fn hook(random: &mut Prng) -> Value {
    let mut hook = json!({ "path": random.pick(&["/h", "/h//../i", "/h \"\\"]) });
    if one_in(random, 2) {
        merge(&mut hook, json!({ "args": ["h", "", "\n"], "env": ["A=b", "C="] }));
    }
    if one_in(random, 3) {
        hook["timeout"] = json!(1 + random.next() % (1 << 40));
    }
    hook
}

fn hooks(random: &mut Prng) -> Value {
    let kinds =
        ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
    let found = some(random, &kinds).into_iter();
    found.map(|kind| (kind.to_owned(), list(random, 2, hook))).collect::<Map<_, _>>().into()
}

fn process(random: &mut Prng) -> Value {
    let mut process = json!({
        "args": random.pick(&[&["sh"][..], &["/bin/sh", "-c", ""], &["..", "é"]]),
        "cwd": random.pick(&["/", "//", "/home/x", "/a/../../b/.", "/.."]),
        "env": some(random, &["PATH=/bin", "HOME=/root", "HOME=", "A==", "PATH=", "A=1"]),
        "terminal": one_in(random, 3), "noNewPrivileges": one_in(random, 2)
    });
    if one_in(random, 2) {
        let groups = list(random, 3, |random| json!(random.below(10)));
        merge(
            &mut process,
            json!({ "user": {
            "uid": random.below(3), "gid": random.below(3), "additionalGids": groups
        } }),
        );
    }
    if one_in(random, 3) {
        merge(
            &mut process,
            json!({ "user": { "uid": 0, "gid": 0, "umask": random.below(0o1000) } }),
        );
    }
    if one_in(random, 2) {
        let few = some(random, &capability::NAMES);
        let permitted = some(random, &few);
        process["capabilities"] = json!({
            "bounding": few, "permitted": permitted, "effective": some(random, &permitted),
            "inheritable": some(random, &few), "ambient": some(random, &capability::NAMES)
        });
    }
    let limits = some(random, &coble_plan::RLIMITS[..4]);
    process["rlimits"] =
        limits.iter().map(|kind| json!({ "type": kind, "soft": 1, "hard": u64::MAX })).collect();
    let extra = json!({
        "oomScoreAdj": -1000, "apparmorProfile": "a b", "selinuxLabel": "c",
        "consoleSize": { "height": 65_535, "width": 0 },
        "scheduler": { "policy": "SCHED_FIFO", "priority": 1, "flags": ["SCHED_FLAG_RECLAIM"] },
        "ioPriority": { "class": "IOPRIO_CLASS_IDLE", "priority": 7 }
    });
    take(random, &mut process, extra);
    process
}

/// Each member of `extra` with a chance of one in four.
fn take(random: &mut Prng, value: &mut Value, extra: Value) {
    let Value::Object(members) = extra else { return };
    for (name, member) in members.into_iter().filter(|_| one_in(random, 4)) {
        value[name] = member;
    }
}

fn linux(random: &mut Prng) -> Value {
    let namespaces = namespaces(random);
    let has = |kind: &str| namespaces.iter().any(|namespace| namespace["type"] == kind);
    let makes = |kind: &str| namespaces.contains(&json!({ "type": kind }));
    let mut linux = json!({ "cgroupsPath": random.pick(&["", "/pod/x", "below"]) });
    if makes("user") {
        let mapping = json!([{ "containerID": 0, "hostID": 1000, "size": *random.pick(&[1, 10]) }]);
        merge(&mut linux, json!({ "uidMappings": mapping, "gidMappings": mapping }));
    }
    if has("mount") {
        let path = |random: &mut Prng| json!(random.pick(&["/proc/kcore", "/p//../sys", "/"]));
        linux["maskedPaths"] = list(random, 2, path);
        linux["readonlyPaths"] = list(random, 2, path);
        linux["devices"] = list(random, 2, device);
        let modes = ["", "shared", "rshared", "slave", "rslave", "private", "runbindable"];
        linux["rootfsPropagation"] = json!(random.pick(&modes));
    }
    let mut sysctl = Map::new();
    for (kind, key) in [
        ("ipc", "kernel.sem"),
        ("network", "net/ipv4/conf/eth0.7/x~y"),
        ("network", "net.ipv4.ip_forward"),
        ("uts", "kernel.domainname"),
    ] {
        if has(kind) && one_in(random, 2) {
            sysctl.insert(key.to_owned(), json!("1 2"));
        }
    }
    linux["sysctl"] = sysctl.into();
    if makes("time") && one_in(random, 2) {
        linux["timeOffsets"] =
            json!({ "monotonic": { "secs": -1 }, "boottime": { "nanosecs": 5 } });
    }
    if has("network") {
        take(random, &mut linux, json!({ "netDevices": { "a": {}, "b~": { "name": "eth%d" } } }));
    }
    let rdt = json!({ "closID": *random.pick(&["", "/", "x"]), "schemata": ["L3:0=f"] });
    let policy =
        json!({ "mode": "MPOL_BIND", "nodes": "0-3,70", "flags": ["MPOL_F_STATIC_NODES"] });
    let extra = json!({
        "personality": { "domain": "LINUX32" }, "intelRdt": rdt, "memoryPolicy": policy
    });
    take(random, &mut linux, extra);
    linux["namespaces"] = namespaces.into();
    linux
}

/// A whole configuration.
fn config(random: &mut Prng) -> Value {
    let linux = linux(random);
    let has = |kind: &str| {
        linux["namespaces"].as_array().unwrap().iter().any(|namespace| namespace["type"] == kind)
    };
    let (mounts, uts) = (has("mount"), has("uts"));
    let mut config = json!({
        "ociVersion": "1.2.0", "process": process(random), "linux": linux,
        "root": { "path": "rootfs", "readonly": one_in(random, 2) }
    });
    if mounts {
        config["mounts"] = list(random, 4, mount);
    }
    if uts {
        take(random, &mut config, json!({ "hostname": "box" }));
    }
    let hooks = hooks(random);
    take(random, &mut config, json!({ "hooks": hooks, "annotations": { "a\"/": "\\\n" } }));
    config
}

/// A random configuration, on a random host, for a random command line.
pub(super) fn random_case(random: &mut Prng) -> Case {
    let host = *random.pick(&[UNIFIED, LEGACY, HYBRID, WITHOUT]);
    let facts = match random.below(3) {
        0 => user_on(host),
        _ => root_on(host),
    };
    Case {
        spec: serde_json::from_value(config(random)).unwrap(),
        facts: Facts {
            is_initial_user_namespace: !one_in(random, 4),
            has_mount_setattr: !one_in(random, 4),
            has_kcore: !one_in(random, 4),
            ..facts
        },
        options: Options {
            observe: crate::observe::Observe::default(),
            only_held: false,
            rootless: None,
            no_pivot: one_in(random, 4),
            no_new_keyring: one_in(random, 4),
            preserve_fds: *random.pick(&[0, 0, 1, 1000, u32::MAX]),
            environment: if one_in(random, 4) { vec!["LISTEN_FDS=1".to_owned()] } else { vec![] },
            adds_mount: one_in(random, 4),
            awaits_cgroup: one_in(random, 2),
            await_start: one_in(random, 2),
            leads_outside: one_in(random, 2),
            host_mounts: vec!["/proc".into(), "/bundle/rootfs/sys".into()],
        },
        sources: if one_in(random, 2) { vec![None, Some(9), Some(10)] } else { vec![] },
    }
}
