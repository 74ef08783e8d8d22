//! Every member that the runtime specification 1.3 has for Linux (its `schema/config-schema.json` and `config-linux.json`)
//! is read: what is read and written again is the same.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use coble_spec::{ParseError, Spec, parse};
use serde_json::{Value, json};

fn process() -> Value {
    json!({
        "terminal": true,
        "consoleSize": {"height": 24, "width": 80},
        "user": {"uid": 1, "gid": 2, "umask": 63, "additionalGids": [5, 6]},
        "args": ["sh"],
        "env": ["A=1"],
        "cwd": "/",
        "capabilities": {
            "bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "inheritable": ["CAP_KILL"],
            "permitted": ["CAP_KILL"], "ambient": ["CAP_KILL"],
        },
        "rlimits": [{"type": "RLIMIT_CORE", "hard": 2, "soft": 1}],
        "noNewPrivileges": true,
        "apparmorProfile": "profile",
        "oomScoreAdj": 100,
        "scheduler": {
            "policy": "SCHED_DEADLINE", "nice": 1, "priority": 2, "flags": ["SCHED_FLAG_RECLAIM"],
            "runtime": 3, "deadline": 4, "period": 5,
        },
        "selinuxLabel": "label",
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 7},
        "execCPUAffinity": {"initial": "0", "final": "0-1"},
    })
}

fn resources() -> Value {
    let throttle = json!([{"major": 8, "minor": 0, "rate": 100}]);
    json!({
        "devices": [{"allow": false, "type": "c", "major": 1, "minor": 3, "access": "rwm"}],
        "memory": {
            "limit": 1, "reservation": 2, "swap": 3, "kernel": 4, "kernelTCP": 5, "swappiness": 6,
            "disableOOMKiller": true, "useHierarchy": true, "checkBeforeUpdate": true,
        },
        "cpu": {
            "shares": 1, "quota": 2, "burst": 3, "period": 4, "realtimeRuntime": 5, "realtimePeriod": 6,
            "cpus": "0", "mems": "0", "idle": 1,
        },
        "pids": {"limit": 1},
        "blockIO": {
            "weight": 10,
            "leafWeight": 20,
            "weightDevice": [{"major": 8, "minor": 0, "weight": 30, "leafWeight": 40}],
            "throttleReadBpsDevice": throttle,
            "throttleWriteBpsDevice": throttle,
            "throttleReadIOPSDevice": throttle,
            "throttleWriteIOPSDevice": throttle,
        },
        "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
        "network": {"classID": 1, "priorities": [{"name": "eth0", "priority": 2}]},
        "rdma": {"mlx5_1": {"hcaHandles": 1, "hcaObjects": 2}},
        "unified": {"memory.high": "1"},
    })
}

fn linux() -> Value {
    let mappings = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
    let kinds = ["user", "mount", "pid", "network", "ipc", "uts", "cgroup", "time"];
    let namespaces = kinds.map(|kind| json!({"type": kind, "path": format!("/proc/1/ns/{kind}")}));
    json!({
        "uidMappings": mappings,
        "gidMappings": mappings,
        "sysctl": {"kernel.shmmax": "1"},
        "resources": resources(),
        "cgroupsPath": "/a",
        "namespaces": namespaces,
        "devices": [{
            "path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 438, "uid": 1, "gid": 2,
        }],
        "netDevices": {"eth0": {"name": "eth1"}},
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "listenerPath": "/l", "listenerMetadata": "m", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{
                "names": ["kill"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1,
                "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}],
            }],
        },
        "rootfsPropagation": "slave",
        "maskedPaths": ["/a"],
        "readonlyPaths": ["/b"],
        "mountLabel": "label",
        "intelRdt": {
            "closID": "c", "schemata": ["L3:0=f"], "l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=20",
            "enableMonitoring": true, "enableCMT": true, "enableMBM": true,
        },
        "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
        "personality": {"domain": "LINUX32", "flags": ["X"]},
        "timeOffsets": {
            "monotonic": {"secs": 1, "nanosecs": 2}, "boottime": {"secs": 3, "nanosecs": 4},
        },
    })
}

fn whole() -> Value {
    let hook = json!([{"path": "/h", "args": ["h"], "env": ["A=1"], "timeout": 1}]);
    let mappings = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
    json!({
        "ociVersion": "1.3.0",
        "process": process(),
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "host",
        "domainname": "domain",
        "mounts": [{
            "destination": "/m", "type": "bind", "source": "/s", "options": ["bind", "idmap"],
            "uidMappings": mappings, "gidMappings": mappings,
        }],
        "hooks": {
            "prestart": hook, "createRuntime": hook, "createContainer": hook, "startContainer": hook,
            "poststart": hook, "poststop": hook,
        },
        "annotations": {"a": "b"},
        "linux": linux(),
    })
}

fn read(config: &Value) -> Spec {
    try_read(config).unwrap()
}

/// With the part that is read on demand.
fn try_read(config: &Value) -> Result<Spec, ParseError> {
    let mut spec: Spec = parse(config.to_string().as_bytes())?;
    if let Some(section) = spec.linux.as_mut().and_then(|linux| linux.seccomp.as_mut()) {
        let read = section.read()?.into_owned();
        *section = read.into();
    }
    Ok(spec)
}

/// Calls `change` with each object in turn.
fn each_object(config: &Value, pointer: &str, change: &mut impl FnMut(&str)) {
    let members: Vec<(String, &Value)> = match config {
        Value::Object(object) => {
            change(pointer);
            object.iter().map(|(name, value)| (name.replace('/', "~1"), value)).collect()
        }
        Value::Array(list) => {
            list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => return,
    };
    for (name, value) in members {
        each_object(value, &format!("{pointer}/{name}"), change);
    }
}

/// Objects whose members have names that the configuration chooses.
const MAPS: [&str; 6] = [
    "/annotations",
    "/linux/sysctl",
    "/linux/netDevices",
    "/linux/resources/rdma",
    "/linux/resources/unified",
    "/linux/timeOffsets",
];

#[test]
fn every_member_is_read() {
    let config = whole();
    assert_eq!(serde_json::to_value(read(&config)).unwrap(), config);
}

/// config.md, "Extensibility": unknown properties are no error, wherever they stand.
#[test]
fn unknown_members_are_passed_over() {
    let config = whole();
    let expected = read(&config);
    let mut count = 0;
    each_object(&config, "", &mut |pointer| {
        if MAPS.contains(&pointer) {
            return;
        }
        let mut more = config.clone();
        more.pointer_mut(pointer).unwrap()["com.example.unknown"] = json!({"x": [1]});
        assert_eq!(read(&more), expected, "{pointer}");
        count += 1;
    });
    assert!(count > 50, "{count} objects");
    let mut others = config.clone();
    for platform in ["windows", "solaris", "vm", "zos", "freebsd"] {
        others[platform] = json!({"x": 1});
    }
    others["process"]["commandLine"] = json!("x");
    others["process"]["user"]["username"] = json!("x");
    assert_eq!(read(&others), expected);
}

/// Tools of the field write `null` for what they don't set.
#[test]
fn null_is_absence_wherever_a_member_may_be_absent() {
    let config = whole();
    let mut nulls = 0;
    each_object(&config, "", &mut |pointer| {
        if MAPS.contains(&pointer) {
            return;
        }
        for name in config.pointer(pointer).unwrap().as_object().unwrap().keys() {
            let (mut null, mut absent) = (config.clone(), config.clone());
            null.pointer_mut(pointer).unwrap()[name] = Value::Null;
            absent.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(name);
            let [null, absent] = [null, absent].map(|config| try_read(&config));
            if let Ok(absent) = absent {
                assert_eq!(null.unwrap(), absent, "{pointer}/{name}");
                nulls += 1;
            }
        }
    });
    assert!(nulls > 80, "{nulls} members");
}
