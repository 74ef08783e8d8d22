//! Members of `config.json`: what coble doesn't know is passed over, what it knows and can't do is refused.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use coble_tests::Case;
use serde_json::{Value, json};

/// config.md, "Extensibility".
#[test]
fn unknown_members_change_nothing() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for place in
        ["", "/process", "/process/user", "/root", "/mounts/0", "/linux", "/linux/namespaces/0"]
    {
        bundle.config.pointer_mut(place).unwrap()["com.example.unknown"] = json!({"a": [1]});
    }
    for platform in ["windows", "solaris", "vm", "zos", "freebsd"] {
        bundle.config[platform] = json!({"a": [1]});
    }
    bundle.config["process"]["commandLine"] = "nothing".into();
    bundle.config["process"]["user"]["username"] = "nobody".into();
    bundle.args(&["id", "-u"]);
    let output = case.run(&bundle).output().ok();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("0\n", ""));
}

/// What only version 1 of cgroups has, in a view of version 2.
#[test]
fn v2_limits_that_it_does_not_have_are_refused_by_name() {
    let Some(case) = Case::root_v2() else { return };
    let mut bundle = case.bundle();
    for (place, value) in [
        ("memory/kernel", json!({"memory": {"kernel": 1 << 20}})),
        ("memory/kernelTCP", json!({"memory": {"kernelTCP": 1 << 20}})),
        ("memory/swappiness", json!({"memory": {"swappiness": 60}})),
        ("memory/disableOOMKiller", json!({"memory": {"disableOOMKiller": true}})),
        ("memory/useHierarchy", json!({"memory": {"useHierarchy": false}})),
        ("cpu/realtimeRuntime", json!({"cpu": {"realtimeRuntime": 1000}})),
        ("cpu/realtimePeriod", json!({"cpu": {"realtimePeriod": 1000}})),
        ("blockIO/leafWeight", json!({"blockIO": {"leafWeight": 100}})),
        (
            "blockIO/weightDevice/0/leafWeight",
            json!({"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "leafWeight": 100}]}}),
        ),
        ("network/classID", json!({"network": {"classID": 1}})),
        ("network/priorities", json!({"network": {"priorities": [{"name": "lo", "priority": 1}]}})),
        ("hugepageLimits/0", json!({"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]})),
        ("rdma/none", json!({"rdma": {"none": {"hcaHandles": 1}}})),
        ("unified/no.such", json!({"unified": {"no.such": "1"}})),
        ("unified/memory", json!({"unified": {"memory": "1"}})),
    ] {
        bundle.config["linux"]["resources"] = value;
        bundle.write();
        let run = case.coble_v2().args(["run", "-b"]).arg(&bundle.path).arg(&case.id);
        case.refuses(run, &[&format!("/linux/resources/{place}")]);
    }
}

/// It has a file in cgroup v1 that does nothing any more.
#[test]
fn a_limit_that_the_kernel_ignores_is_refused() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["linux"]["resources"]["memory"] = json!({"kernel": 64 << 20});
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    let file = format!("/sys/fs/cgroup/memory/{}/memory.kmem.limit_in_bytes", case.id);
    bundle.sh("sleep 1000").write();
    let output = case.run_with(&bundle, &["--detach"]).output();
    if output.code == Some(0) {
        assert_eq!(std::fs::read_to_string(file).unwrap(), format!("{}\n", 64 << 20));
        return;
    }
    output.refused(&["/linux/resources/memory/kernel"]);
    case.assert_clean();
}

/// Values that are there and can't be meant.
#[test]
fn values_that_are_not_carried_out_are_refused_by_name() {
    let Some(case) = Case::root() else { return };
    let refuses = |name: &str, place: &str, change: &dyn Fn(&mut Value)| {
        let mut bundle = case.bundle_at(name);
        change(&mut bundle.config);
        case.refuses(case.run(&bundle), &[place]);
    };
    refuses("flags", "/linux/personality/flags", &|config| {
        config["linux"]["personality"] = json!({"domain": "LINUX", "flags": ["X"]});
    });
    refuses("domain", "/linux/personality/domain", &|config| {
        config["linux"]["personality"] = json!({"domain": "LINUX64"});
    });
    refuses("offset", "/linux/timeOffsets", &|config| {
        config["linux"]["timeOffsets"] = json!({"monotonic": {"secs": 1}});
    });
    refuses("unified", "/linux/resources/unified/memory.high", &|config| {
        if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            config["linux"]["resources"]["unified"] = json!({"memory.high": "x"});
        } else {
            config["linux"]["resources"]["unified"] = json!({"memory.high": "max"});
        }
    });
    refuses("policy", "/process/scheduler", &|config| {
        config["process"]["scheduler"] = json!({"policy": "SCHED_MOON"});
    });
    refuses("priority", "/process/ioPriority", &|config| {
        config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 8});
    });
    refuses("size", "/process/consoleSize", &|config| {
        config["process"]["consoleSize"] = json!({"height": 70_000, "width": 80});
    });
}
