//! Which namespaces are made or joined by whom, and when.

use coble_sys::libc;

use super::*;

fn namespaces(list: Value) -> Value {
    json!({ "linux": { "namespaces": list } })
}

fn mapped(list: Value) -> Value {
    let mapping = json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]);
    let groups = json!([{ "containerID": 0, "hostID": 1001, "size": 1 }]);
    json!({ "linux": { "namespaces": list, "uidMappings": mapping, "gidMappings": groups } })
}

#[test]
fn what_clone_makes_needs_no_step() {
    let case = Case::with(namespaces(json!([
        { "type": "pid" }, { "type": "network" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" }
    ])));
    let flags = libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWNS;
    assert_eq!(case.launch().namespaces.cloned, flags as u64);
    assert_eq!(case.grep("namespace"), [""; 0]);
    assert_eq!(case.grep("lo up"), ["bring the interface lo up [/linux/namespaces/1]"]);
}

#[test]
fn cgroup_and_time_namespaces_are_made_by_the_child() {
    let mut changes = namespaces(json!([
        { "type": "cgroup" }, { "type": "time" }, { "type": "mount" }
    ]));
    merge(&mut changes, json!({ "linux": { "timeOffsets": {
        "monotonic": { "secs": -5, "nanosecs": 7 }, "boottime": { "secs": 60 }
    } } }));
    let case = Case::with(changes);
    assert_eq!(case.launch().namespaces.cloned, libc::CLONE_NEWNS as u64);
    let lines = case.lines();
    assert_order(&lines, &[
        "make new namespaces: cgroup [/linux/namespaces/0]",
        "make a time namespace with offsets boottime 60 0, monotonic -5 7 [/linux/timeOffsets]",
        "start a session",
        "as the root",
    ]);
    let offsets = case.pick(|step| match step {
        Step::TimeNamespace { offsets } => Some(offsets.to_owned()),
        _ => None,
    });
    assert_eq!(offsets, [c"boottime 60 0\nmonotonic -5 7\n".to_owned()]);
}

#[test]
fn a_time_namespace_without_offsets_comes_from_the_list() {
    let case = Case::with(namespaces(json!([{ "type": "mount" }, { "type": "time" }])));
    assert_eq!(case.grep("time namespace"), ["make a time namespace [/linux/namespaces/1]"]);
}

#[test]
fn joined_namespaces_come_first_and_the_mount_namespace_last_of_them() {
    let case = Case::with(namespaces(json!([
        { "type": "mount", "path": "/n/mnt" }, { "type": "pid", "path": "/n/pid" },
        { "type": "network", "path": "/n/net" }, { "type": "ipc" }
    ])));
    let lines = case.lines();
    assert_eq!(lines[1..], [
        "join the pid namespace at /n/pid [/linux/namespaces/1]",
        "join the network namespace at /n/net [/linux/namespaces/2]",
        "join the mount namespace at /n/mnt [/linux/namespaces/0]",
        "go on in the pid namespace that was joined [/linux/namespaces/1]",
        "start a session []",
        "join the session keyring _ses.box []",
    ][..][..lines[1..].len().min(6)].to_vec()[..], "{lines:#?}");
    assert_eq!(case.launch().namespaces.cloned, libc::CLONE_NEWIPC as u64);
    assert_eq!(case.grep("lo up"), [""; 0], "the joined network is someone else's");
}
