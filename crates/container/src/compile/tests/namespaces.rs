//! Which namespaces are made or joined by whom, and when.

use coble_spec::NamespaceKind;
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
    assert_eq!(case.grep("make new"), [""; 0]);
    assert_eq!(case.grep("lo up"), ["bring the interface lo up [/linux/namespaces/1]"]);
}

#[test]
fn cgroup_and_time_namespaces_are_made_by_the_child() {
    let mut changes = namespaces(json!([
        { "type": "cgroup" }, { "type": "time" }, { "type": "mount" }
    ]));
    merge(
        &mut changes,
        json!({ "linux": { "timeOffsets": {
        "monotonic": { "secs": -5, "nanosecs": 7 }, "boottime": { "secs": 60 }
    } } }),
    );
    let case = Case::with(changes);
    assert_eq!(case.launch().namespaces.cloned, libc::CLONE_NEWNS as u64);
    let lines = case.lines();
    assert_order(
        &lines,
        &[
            "make new namespaces: cgroup [/linux/namespaces/0]",
            "make a time namespace with offsets boottime 60 0, monotonic -5 7 [/linux/timeOffsets]",
            "start a session",
            "as the root",
        ],
    );
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
    assert_order(
        &case.lines(),
        &[
            "join the pid namespace at /n/pid [/linux/namespaces/1]",
            "join the network namespace at /n/net [/linux/namespaces/2]",
            "join the mount namespace at /n/mnt [/linux/namespaces/0]",
            "go on as a new child, inside the pid namespace [/linux/namespaces/1]",
            "start a session",
            "as the root",
        ],
    );
    assert_eq!(case.launch().namespaces.cloned, libc::CLONE_NEWIPC as u64);
    assert_eq!(case.grep("lo up"), [""; 0], "the joined network is someone else's");
}

const DROPPED: &str = "drop the caller's groups [/linux/namespaces/1]";

const WITH_JOINED_USER: [&str; 2] = [
    "join the user namespace at /n/user [/linux/namespaces/1]",
    "become user 0 of the user namespace [/linux/namespaces/1]",
];

fn joined_user() -> Case {
    Case::with(namespaces(json!([
        { "type": "network", "path": "/n/net" }, { "type": "user", "path": "/n/user" },
        { "type": "mount" }, { "type": "pid" }, { "type": "uts" }
    ])))
}

#[test]
fn root_joins_a_user_namespace_after_what_it_has_rights_over() {
    let case = joined_user();
    assert_eq!(case.launch().namespaces.cloned, 0, "the user namespace is to own them");
    let [user, root] = WITH_JOINED_USER;
    assert_order(
        &case.lines(),
        &[
            "join the network namespace at /n/net",
            DROPPED,
            user,
            root,
            "make new namespaces: mount [/linux/namespaces/2]",
            "make new namespaces: pid [/linux/namespaces/3]",
            "make new namespaces: uts [/linux/namespaces/4]",
            "go on as a new child, inside the pid namespace [/linux/namespaces/3]",
            "start a session",
        ],
    );
}

#[test]
fn mappings_beside_a_joined_user_namespace_are_compared_before_anything_is_made_of_it() {
    let confirm = "let the parent compare the mappings of the user namespace [/linux/uidMappings]";
    let list = json!([{ "type": "user", "path": "/n/user" }, { "type": "mount" }]);
    let case = Case::with(mapped(list.clone()));
    assert_order(&case.lines(), &["become user 0", confirm, "make new namespaces: mount"]);
    assert_eq!(Case::with(namespaces(list)).grep("compare"), [""; 0]);
}

#[test]
fn so_does_root_of_a_user_namespace() {
    let facts = Facts { is_initial_user_namespace: false, ..root_on(UNIFIED) };
    let [user, _] = WITH_JOINED_USER;
    assert_order(&joined_user().on(facts).lines(), &["join the network namespace at /n/net", user]);
}

#[test]
fn a_plain_user_joins_a_user_namespace_before_what_it_gets_rights_over_there() {
    let [user, root] = WITH_JOINED_USER;
    let lines = joined_user().on(user_on(UNIFIED)).lines();
    assert_order(&lines, &[user, root, "join the network namespace at /n/net"]);
    assert!(!lines.contains(&DROPPED.to_owned()), "without rights over groups");
}

#[test]
fn groups_that_are_to_be_kept_are_kept_in_a_joined_user_namespace() {
    let mut changes =
        namespaces(json!([{ "type": "mount" }, { "type": "user", "path": "/n/user" }]));
    assert_eq!(Case::with(changes.clone()).grep("drop the caller"), [DROPPED]);
    merge(&mut changes, json!({ "annotations": { "run.oci.keep_original_groups": "1" } }));
    assert_eq!(Case::with(changes).grep("drop the caller"), [""; 0]);
}

#[test]
fn a_new_user_namespace_is_made_together_with_the_others() {
    let case = Case::with(mapped(json!([
        { "type": "user" }, { "type": "mount" }, { "type": "pid" }, { "type": "cgroup" }
    ])));
    let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID;
    assert_eq!(case.launch().namespaces.cloned, flags as u64);
    assert_eq!(case.grep("namespace"), ["make new namespaces: cgroup [/linux/namespaces/3]"]);
}

#[test]
fn what_a_new_user_namespace_could_not_join_is_joined_by_the_parent() {
    let case = Case::with(mapped(json!([
        { "type": "user" }, { "type": "network", "path": "/n/net" }, { "type": "mount" },
        { "type": "pid", "path": "/n/pid" }
    ])));
    let found = case.launch().namespaces;
    let paths = [
        (NamespaceKind::Network, c"/n/net".to_owned()),
        (NamespaceKind::Pid, c"/n/pid".to_owned()),
    ];
    assert_eq!(found.inherited, paths);
    assert!(found.joins(NamespaceKind::Network) && found.has(NamespaceKind::Pid));
    assert_eq!(case.grep("join the "), ["join the session keyring _ses.box []"]);
    assert_eq!(case.grep("go on"), [""; 0], "the child is born into it");
}

#[test]
fn a_mount_namespace_can_not_be_joined_from_a_new_user_namespace() {
    let case =
        Case::with(mapped(json!([{ "type": "user" }, { "type": "mount", "path": "/n/mnt" }])));
    let error = case.compile().unwrap_err().to_string();
    assert!(error.starts_with("config.json: /linux/namespaces/1/path: "), "{error}");
}

#[test]
fn names_and_kernel_parameters_come_after_the_mounts() {
    let mut changes = namespaces(json!([
        { "type": "mount" }, { "type": "uts" }, { "type": "ipc" }, { "type": "network" }
    ]));
    merge(
        &mut changes,
        json!({
            "hostname": "box", "domainname": "home",
            "linux": { "sysctl": { "net/ipv4/conf/eth0.7/rp_filter": "1", "kernel.sem": "1 2" } },
            "mounts": [{ "destination": "/proc", "type": "proc", "source": "proc" }]
        }),
    );
    assert_order(
        &Case::with(changes).lines(),
        &[
            "mount proc on /proc",
            "set the host name to box [/hostname]",
            "set the domain name to home [/domainname]",
            "write \"1 2\" to /proc/sys/kernel/sem [/linux/sysctl/kernel.sem]",
            "write \"1\" to /proc/sys/net/ipv4/conf/eth0.7/rp_filter \
         [/linux/sysctl/net~1ipv4~1conf~1eth0.7~1rp_filter]",
            "change the root",
        ],
    );
}

#[test]
fn the_session_keyring_can_be_left_alone() {
    let mut case = Case::with(json!({}));
    assert_eq!(case.grep("keyring"), ["join the session keyring _ses.box []"]);
    case.options.no_new_keyring = true;
    assert_eq!(case.grep("keyring"), [""; 0]);
    assert!(case.launch().no_new_keyring);
}
