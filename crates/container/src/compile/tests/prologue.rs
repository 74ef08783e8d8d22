//! What the parent says that it does.

use super::*;
use crate::plan::printed;

/// Its actions, each with its origin in brackets.
fn parent(case: &Case) -> Vec<String> {
    let plan = case.job(printed).unwrap();
    let numbers: Vec<usize> = plan.steps.iter().map(|step| step.number).collect();
    assert_eq!(numbers, (1..=plan.steps.len()).collect::<Vec<_>>());
    let steps = plan.steps.into_iter().filter(|step| step.by == "parent");
    steps.map(|step| format!("{} [{}]", step.action, step.origin)).collect()
}

#[test]
fn namespaces_are_joined_before_the_child_is_made_and_ids_mapped_after() {
    let case = Case::with(json!({ "linux": {
        "namespaces": [
            { "type": "user" }, { "type": "mount" }, { "type": "network", "path": "/n/net" },
            { "type": "cgroup" }
        ],
        "uidMappings": [
            { "containerID": 0, "hostID": 1000, "size": 1 }, { "containerID": 1, "hostID": 5000, "size": 10 }
        ],
        "gidMappings": [{ "containerID": 0, "hostID": 1001, "size": 1 }],
        "cgroupsPath": "/pod/box"
    } }));
    assert_eq!(
        parent(&case),
        [
            "make the container's state directory and lock it []",
            "make the cgroup /sys/fs/cgroup/pod/box [/linux/cgroupsPath]",
            "copy the executor and its plan into sealed memory []",
            "join the network namespace at /n/net [/linux/namespaces]",
            "clone3 with new namespaces: user, mount, straight into the cgroup [/linux/namespaces]",
            "allow the default devices []",
            "map users 0-0 to 1000, 1-10 to 5000 [/linux/uidMappings]",
            "map groups 0-0 to 1001 [/linux/gidMappings]",
            "close descriptors from 3 on in the child []",
            "write state.json []",
        ]
    );
}

#[test]
fn a_resctrl_class_is_there_before_the_child_and_entered_before_it_goes_on() {
    let case = Case::with(json!({ "linux": { "intelRdt": { "closID": "gold" } } }));
    assert_order(
        &parent(&case),
        &[
            "take or make the resctrl class \"gold\" [/linux/intelRdt]",
            "clone3 with new namespaces: mount",
            "move the child into the resctrl class [/linux/intelRdt]",
            "write state.json",
        ],
    );
}

#[test]
fn the_child_is_moved_into_cgroups_that_it_can_not_be_born_into() {
    let lines = parent(&Case::with(json!({})).on(root_on(LEGACY)));
    assert_order(
        &lines,
        &[
            "clone3 with new namespaces: mount [/linux/namespaces]",
            "move the child into the v1 cgroups []",
            "write state.json",
        ],
    );
    let hybrid = parent(&Case::with(json!({})).on(root_on(HYBRID)));
    assert_order(
        &hybrid,
        &[
            "clone3 with new namespaces: mount, straight into the cgroup",
            "move the child into the v1 cgroups",
        ],
    );
}

#[test]
fn limits_are_told_by_section() {
    let case = Case::with(json!({ "linux": { "resources": {
        "memory": { "limit": 5 }, "pids": { "limit": 6 }, "unified": { "memory.high": "7" },
        "devices": [{ "allow": false, "access": "rwm" }]
    } } }));
    let lines = parent(&case).into_iter().filter(|line| line.contains("/linux/resources"));
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [
            "limit memory: {\"limit\":5} [/linux/resources/memory]",
            "limit tasks: {\"limit\":6} [/linux/resources/pids]",
            "limit cgroup v2 files: {\"memory.high\":\"7\"} [/linux/resources/unified]",
            "apply 1 device rule [/linux/resources/devices]",
        ]
    );
}

#[test]
fn a_plain_user_may_have_no_cgroup() {
    let lines = parent(&Case::with(json!({})).on(user_on(UNIFIED)));
    let tolerant = lines.iter().filter(|line| line.contains("(tolerate EACCES, EPERM, EROFS)"));
    assert_eq!(tolerant.count(), 2, "{lines:#?}");
}
