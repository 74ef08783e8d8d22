//! runc's records, as its versions write them.

use std::path::Path;

use coble_cgroup::{Cgroup, Hierarchy};
use coble_spec::{Namespace, NamespaceKind, Resources};
use serde_json::{Value, json};

use super::patch;
use super::record::{State, group, read, translate};
use crate::error::Error;
use crate::state::Record;

/// Written by runc 1.1.5, with neutral paths, numbers and times.
const OLD: &str = include_str!("../../tests-data/runc/state-1.1.json");
/// As the types of runc 1.4 and 1.5 define it.
const NEW: &str = include_str!("../../tests-data/runc/state-1.5.json");

fn translated(text: &str) -> Result<Record, Error> {
    let state: State = read(text.as_bytes(), "box")?.unwrap();
    let none = Hierarchy::parse(b"", "").unwrap();
    let cgroup = Cgroup::adopt(&none, &[].into(), false, false).unwrap();
    let group = group(&state, Path::new("/sys/fs/resctrl"))?;
    translate(state, &cgroup, group)
}

fn changed(text: &str, pointer: &str, value: Value) -> Result<Record, Error> {
    let mut state: Value = serde_json::from_str(text).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    state.pointer_mut(parent).unwrap()[name] = value;
    translated(&state.to_string())
}

fn own(kind: NamespaceKind) -> Namespace {
    Namespace { kind, path: String::new() }
}

#[test]
fn runc_1_1() {
    let record = translated(OLD).unwrap();
    assert_eq!((record.oci_version.as_str(), record.id.as_str()), ("1.0.2-dev", "box"));
    assert_eq!((record.bundle.as_str(), record.rootfs.as_str()), ("/srv/box", "/srv/box/rootfs"));
    assert_eq!(record.created, "2030-01-02T03:04:05.678901234Z");
    assert_eq!((record.init.pid, record.init.start_time), (4242, 123_456));
    assert_eq!(record.annotations, [("org.example.key".into(), "a=value".into())].into());
    let network = Namespace { kind: NamespaceKind::Network, path: "/run/netns/box".to_owned() };
    let mut namespaces = vec![
        own(NamespaceKind::Mount),
        own(NamespaceKind::Pid),
        own(NamespaceKind::Ipc),
        own(NamespaceKind::Uts),
        own(NamespaceKind::Cgroup),
        network,
    ];
    namespaces.sort_by_key(|namespace| namespace.kind);
    let mut found = record.namespaces.clone();
    found.sort_by_key(|namespace| namespace.kind);
    assert_eq!(found, namespaces);
    assert!(record.has_keyring && record.personality.is_none());
    let process = &record.process;
    assert!(process.no_new_privileges);
    assert_eq!((process.oom_score_adj, process.user.umask), (Some(100), Some(0o27)));
    let capabilities = process.capabilities.as_ref().unwrap();
    assert_eq!(capabilities.bounding, ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    assert!(capabilities.inheritable.is_empty());
}

#[test]
fn whether_systemd_has_the_cgroup() {
    for (text, is_systemds) in [(OLD, false), (NEW, true)] {
        let state: State = read(text.as_bytes(), "box").unwrap().unwrap();
        assert_eq!(state.config.cgroups.unwrap().systemd, is_systemds);
    }
}

#[test]
fn hooks_but_those_that_runc_has_run() {
    let hooks = translated(OLD).unwrap().hooks.unwrap();
    assert!(hooks.poststart.is_empty(), "runc runs them at create");
    let [hook] = &hooks.poststop[..] else { panic!("one hook") };
    assert_eq!((hook.path.as_str(), hook.timeout), ("/usr/bin/true", Some(2)));
    assert_eq!(
        (&hook.args[..], &hook.env[..]),
        (&["true", "x"].map(String::from)[..], &["A=1".to_owned()][..])
    );
    let quick = changed(OLD, "/config/Hooks/poststop/0/timeout", json!(1)).unwrap();
    assert_eq!(quick.hooks.unwrap().poststop[0].timeout, Some(1), "never none");
}

#[test]
fn runc_1_5_leaves_out_what_is_empty() {
    let record = translated(NEW).unwrap();
    assert_eq!((record.oci_version.as_str(), record.bundle.as_str()), ("1.3.0", "/srv/box"));
    let kinds: Vec<_> = record.namespaces.iter().map(|namespace| namespace.kind).collect();
    assert!(kinds.contains(&NamespaceKind::User) && kinds.contains(&NamespaceKind::Time));
    assert_eq!(record.namespaces[2].path, "/proc/77/ns/pid");
    assert!(!record.has_keyring);
    assert_eq!(record.personality.unwrap().domain, "LINUX32");
    let process = record.process;
    assert_eq!(process.apparmor_profile, "box-default");
    assert_eq!(process.selinux_label, "system_u:system_r:container_t:s0");
    assert_eq!(process.scheduler.unwrap().policy, "SCHED_BATCH");
    assert_eq!(process.io_priority.unwrap().class, "IOPRIO_CLASS_BE");
    let [limit] = &process.rlimits[..] else { panic!("one limit") };
    assert_eq!((limit.kind.as_str(), limit.hard, limit.soft), ("RLIMIT_NOFILE", 4096, 1024));
    let affinity = process.exec_cpu_affinity.unwrap();
    assert_eq!((affinity.initial.as_str(), affinity.last.as_str()), ("0,1,3", "63,64"));
    let least = r#"{"id": "box", "init_process_pid": 1, "init_process_start": 1, "created": "",
        "config": {"rootfs": "/r", "version": "1.3.0"}}"#;
    let record = translated(least).unwrap();
    assert!(record.has_keyring && record.namespaces.is_empty() && record.bundle.is_empty());
    assert_eq!(record.runc.unwrap().filter(), Ok(None));
}

#[test]
fn a_memory_policy_gets_its_names_back() {
    let policy = |value: Value| changed(NEW, "/config/memory_policy", value);
    let whole = translated(NEW).unwrap().memory_policy.unwrap();
    assert_eq!((whole.mode.as_str(), whole.nodes.as_str()), ("MPOL_BIND", "0"));
    let flags = policy(json!({"mode": 3, "flags": 0xa000, "nodes": [6]})).unwrap();
    let flags = flags.memory_policy.unwrap();
    assert_eq!((flags.mode.as_str(), flags.nodes.as_str()), ("MPOL_INTERLEAVE", "1,2"));
    assert_eq!(flags.flags, ["MPOL_F_NUMA_BALANCING", "MPOL_F_STATIC_NODES"]);
    assert_eq!(policy(json!({})).unwrap().memory_policy.unwrap().mode, "MPOL_DEFAULT");
    for (value, place) in [(json!({"mode": 7}), "mode"), (json!({"flags": 1}), "flags")] {
        let error = policy(value).unwrap_err().to_string();
        assert!(error.starts_with(&format!("/config/memory_policy/{place}: ")), "{error}");
    }
}

#[test]
fn new_limits_are_noted_and_nothing_is_lost() {
    let resources: Resources = serde_json::from_value(json!({
        "memory": { "limit": 1024, "reservation": 0, "swappiness": 0 },
        "cpu": { "shares": 512, "quota": -1, "cpus": "0-1", "mems": "", "idle": 0 },
        "pids": { "limit": -1 },
        "blockIO": { "weight": 10, "throttleReadBpsDevice": [{ "major": 8, "minor": 0, "rate": 5 }] },
        "hugepageLimits": [{ "pageSize": "2MB", "limit": 7 }],
        "unified": { "memory.high": "9" }
    }))
    .unwrap();
    for text in [OLD, NEW] {
        let before: Value = serde_json::from_str(text).unwrap();
        let mut state = before.clone();
        state["config"]["cgroups"]["blkio_throttle_read_bps_device"] =
            json!([{ "major": 8, "minor": 0, "rate": 1 }, { "major": 8, "minor": 1, "rate": 2 }]);
        patch(&mut state, &resources, Some(4096)).unwrap();
        let limits = state["config"]["cgroups"].take();
        let noted = json!({
            "memory": 1024, "memory_swap": 4096, "memory_swappiness": 0, "cpu_shares": 512,
            "cpu_weight": coble_cgroup::cpu_weight(512), "cpu_quota": -1, "cpu_idle": 0,
            "cpuset_cpus": "0-1", "pids_limit": -1, "blkio_weight": 10,
            "blkio_throttle_read_bps_device":
                [{ "major": 8, "minor": 1, "rate": 2 }, { "major": 8, "minor": 0, "rate": 5 }],
            "hugetlb_limit": [{ "page_size": "2MB", "limit": 7 }],
            "unified": { "memory.high": "9" }
        });
        let mut expected = before["config"]["cgroups"].clone();
        for (name, value) in noted.as_object().unwrap() {
            expected[name] = value.clone();
        }
        assert_eq!(limits, expected);
        let mut rest = before;
        rest["config"]["cgroups"].take();
        assert_eq!(state, rest);
    }
    assert!(patch(&mut json!({ "config": {} }), &resources, None).is_err());
}

#[test]
fn memory_and_swap_together() {
    assert_eq!(translated(OLD).unwrap().memory_swap, None, "0 is none");
    let limited = changed(OLD, "/config/cgroups/memory_swap", json!(-1)).unwrap();
    assert_eq!(limited.memory_swap, Some(-1));
}

#[test]
fn a_resctrl_class_is_where_runc_put_it() {
    let target = |record: Record| record.intel_rdt.map(|group| group.to_link_target().unwrap());
    let class = |name: &str, flags: &str| {
        Some(format!(r#"{{"resctrl":"/sys/fs/resctrl","class":"{name}",{flags}}}"#))
    };
    let own = r#""isNamed":false,"isMade":true"#;
    let monitored = class("box", &format!(r#"{own},"monitor":"box""#));
    assert_eq!(target(translated(NEW).unwrap()), monitored);
    let alone = changed(NEW, "/intel_rdt_mon_path", json!("")).unwrap();
    assert_eq!(target(alone), class("box", own));
    let named = |path: &str| {
        let mut state: Value = serde_json::from_str(NEW).unwrap();
        state["config"]["intel_rdt"]["closID"] = "gold".into();
        state["intel_rdt_path"] = path.into();
        state["intel_rdt_mon_path"] = json!(null);
        translated(&state.to_string()).map(target)
    };
    let kept = r#""isNamed":true,"isMade":false"#;
    assert_eq!(named("/sys/fs/resctrl/gold").unwrap(), class("gold", kept));
    assert_eq!(named("/sys/fs/resctrl").unwrap(), class("", kept));
    for path in ["", "/etc", "/sys/fs/resctrl/../x", "/sys/fs/resctrl/a/b"] {
        assert!(named(path).is_err(), "{path}");
    }
    for path in ["/sys/fs/resctrl/box", "/sys/fs/resctrl/box/mon_groups/..", "/x/mon_groups/box"] {
        assert!(changed(NEW, "/intel_rdt_mon_path", json!(path)).is_err(), "{path}");
    }
    assert!(changed(NEW, "/intel_rdt_path", json!("/sys/fs/resctrl")).is_err(), "not its own");
    let unused = changed(OLD, "/intel_rdt_path", json!("/sys/fs/resctrl/box")).unwrap();
    assert_eq!(target(unused), None, "runc 1.1 writes it anyway");
}

#[test]
fn a_filter_is_taken_over() {
    let runc = translated(OLD).unwrap().runc.unwrap();
    let rules = json!([{ "names": ["mkdir"], "action": "SCMP_ACT_ERRNO" }]);
    let section = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules, "flags": [] });
    let expected =
        crate::filter::Filter::compile(&serde_json::from_value(section).unwrap()).unwrap();
    assert_eq!(runc.filter(), Ok(Some(expected)));
    let without = changed(OLD, "/config/seccomp", json!(null)).unwrap().runc.unwrap();
    assert_eq!(without.filter(), Ok(None));
    // Left to an agent, but to which?
    let runc = changed(OLD, "/config/seccomp/default_action", json!(7)).unwrap().runc.unwrap();
    let error = runc.filter().unwrap_err().to_string();
    assert!(error.starts_with("state.json: /config/seccomp/listenerPath: "), "{error}");
    let mut state: Value = serde_json::from_str(OLD).unwrap();
    state["config"]["seccomp"]["default_action"] = json!(7);
    state["config"]["seccomp"]["listener_path"] = json!("/run/agent");
    let filter = translated(&state.to_string()).unwrap().runc.unwrap().filter().unwrap().unwrap();
    assert_eq!(filter.agent.unwrap().path, "/run/agent");
}

#[test]
fn another_file_is_not_taken_for_runcs() {
    for text in ["", "{}", "[]", "null", r#"{"id": "box"}"#, r#"{"init_process_pid": null}"#] {
        assert!(read(text.as_bytes(), "box").unwrap().is_none(), "{text}");
    }
}

#[test]
fn every_wrong_value_is_an_error_with_its_place() {
    let cases = [
        ("/init_process_pid", json!(-4242)),
        ("/init_process_pid", json!(1_u64 << 40)),
        ("/init_process_start", json!("1")),
        ("/id", json!("../box")),
        ("/config/rootfs", json!(null)),
        ("/config/namespaces/0/type", json!("NEWMOON")),
        ("/config/labels", json!("bundle=/srv/box")),
        ("/config/rlimits", json!([{"type": 16, "hard": 1, "soft": 1}])),
        ("/config/personality", json!({"domain": 1})),
        ("/config/Hooks/poststop", json!([{"args": []}])),
        ("/config/capabilities/Bounding", json!([1])),
        ("/cgroup_paths", json!([])),
    ];
    for (pointer, value) in cases {
        for text in [OLD, NEW] {
            let error = changed(text, pointer, value.clone()).unwrap_err().to_string();
            assert!(error.starts_with(pointer), "{pointer}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
