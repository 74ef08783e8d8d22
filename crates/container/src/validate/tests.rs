//! A small good configuration, spoilt one place at a time.

mod annotations;
mod isolation;
mod known;
mod mutations;
mod process;
mod resources;

use serde_json::{Value, json};

use super::*;

/// A configuration with one of nearly everything, all of it right.
fn good() -> Value {
    json!({
        "ociVersion": "1.2.0-dev",
        "process": {
            "args": ["sh"], "env": ["PATH=/bin", "EMPTY="], "cwd": "/",
            "user": { "uid": 1, "gid": 2, "umask": 0o777, "additionalGids": [3] },
            "capabilities": {
                "bounding": ["CAP_KILL", "CAP_CHOWN"], "permitted": ["CAP_KILL", "CAP_CHOWN"],
                "effective": ["CAP_KILL"], "inheritable": ["CAP_CHOWN"], "ambient": ["CAP_KILL"]
            },
            "rlimits": [
                { "type": "RLIMIT_NOFILE", "soft": 1, "hard": 1 },
                { "type": "RLIMIT_CORE", "soft": 0, "hard": u64::MAX }
            ],
            "oomScoreAdj": -1000
        },
        "root": { "path": "rootfs" },
        "hostname": "box", "domainname": "home",
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "dev", "type": "tmpfs", "options": ["uid=5", "gid=6", "uid=x", "tmpcopyup"] },
            { "destination": "/data", "source": "/data", "options": ["rbind", "ro"] }
        ],
        "hooks": {
            "prestart": [{ "path": "/a", "timeout": 1 }], "createRuntime": [{ "path": "/a" }],
            "createContainer": [{ "path": "/a" }], "startContainer": [{ "path": "/a" }],
            "poststart": [{ "path": "/a" }], "poststop": [{ "path": "/a", "args": [], "env": ["A=b"] }]
        },
        "annotations": { "a/b": "c" },
        "linux": {
            "uidMappings": [{ "containerID": 0, "hostID": 1000, "size": 10 }],
            "gidMappings": [
                { "containerID": 10, "hostID": 0, "size": 10 }, { "containerID": 0, "hostID": 10, "size": 10 }
            ],
            "sysctl": {
                "kernel.sem": "1", "fs/mqueue/msg_max": "1", "net.ipv4.ip_forward": "1",
                "user.max_user_namespaces": "1"
            },
            "resources": {
                "devices": [
                    { "allow": false, "access": "rwm" },
                    { "allow": true, "type": "c", "major": 1, "minor": -1, "access": "rw" }
                ],
                "cpu": { "cpus": "0-3,7", "mems": "0" },
                "hugepageLimits": [{ "pageSize": "2MB", "limit": 1 }],
                "blockIO": {
                    "weightDevice": [{ "major": 8, "minor": 0, "weight": 10 }],
                    "throttleReadBpsDevice": [{ "major": 8, "minor": 0, "rate": 1 }],
                    "throttleWriteIOPSDevice": [{ "major": 8, "minor": 0, "rate": 1 }]
                },
                "unified": { "memory.high": "1" },
                "rdma": { "mlx5_1": { "hcaHandles": 1 } },
                "network": { "priorities": [{ "name": "eth0", "priority": 1 }] }
            },
            "cgroupsPath": "/a/b",
            "namespaces": [
                { "type": "user" }, { "type": "mount" }, { "type": "pid", "path": "/proc/1/ns/pid" },
                { "type": "network" }, { "type": "ipc" }, { "type": "uts" }, { "type": "cgroup" },
                { "type": "time" }
            ],
            "devices": [
                { "path": "/dev/a", "type": "c", "major": 1, "minor": 3, "fileMode": 0o020666, "uid": 0 },
                { "path": "/dev/a", "type": "u", "major": 1, "minor": 3 },
                { "path": "/dev/b", "type": "b", "major": 4095, "minor": 1048575 },
                { "path": "/dev/p", "type": "p" }
            ],
            "rootfsPropagation": "rslave",
            "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"],
            "netDevices": { "eth0": { "name": "net0" }, "eth1": {} },
            "intelRdt": {
                "closID": "gold", "l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=20",
                "schemata": ["L2:0=f"], "enableMonitoring": true
            },
            "timeOffsets": { "monotonic": { "secs": -1, "nanosecs": 999999999 }, "boottime": {} }
        }
    })
}

/// Puts `new` at `pointer`, or takes away what is there. A `-` at the end appends to a list.
fn set(value: &mut Value, pointer: &str, new: Option<Value>) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    match (value.pointer_mut(parent).unwrap(), new) {
        (Value::Object(members), Some(new)) => drop(members.insert(name, new)),
        (Value::Object(members), None) => drop(members.remove(&name)),
        (Value::Array(items), Some(new)) if name == "-" => items.push(new),
        (Value::Array(items), Some(new)) => items[name.parse::<usize>().unwrap()] = new,
        (Value::Array(items), None) => drop(items.remove(name.parse().unwrap())),
        (other, _) => panic!("{pointer} is in {other}"),
    }
}

/// The good configuration with these changes. `null` takes a member away.
fn changed(changes: &[(&str, Value)]) -> Value {
    let mut value = good();
    for (pointer, new) in changes {
        set(&mut value, pointer, (!new.is_null()).then(|| new.clone()));
    }
    value
}

fn check(value: &Value) -> Result<(), Invalid> {
    validate(&serde_json::from_value(value.clone()).unwrap())
}

/// The message for the good configuration with these changes, which must be refused.
fn refused(changes: &[(&str, Value)]) -> String {
    check(&changed(changes)).expect_err(&format!("{changes:?}")).to_string()
}

fn accepted(changes: &[(&str, Value)]) {
    assert_eq!(check(&changed(changes)), Ok(()), "{changes:?}");
}

/// One change each, and the message.
fn one_each(cases: &[(&str, Value, &str)]) {
    for (pointer, new, message) in cases {
        assert_eq!(refused(&[(pointer, new.clone())]), *message, "{pointer} {new}");
    }
}

#[test]
fn the_good_configuration_is_good() {
    accepted(&[]);
    let minimal = json!({
        "ociVersion": "1.0.0", "root": { "path": "/" }, "process": { "args": [""], "cwd": "/" }
    });
    assert_eq!(check(&minimal), Ok(()));
}
