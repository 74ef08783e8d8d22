//! How long the child goes on while systemd makes its cgroup.

use super::*;

const WAIT: &str = "wait until systemd has put the process into its cgroup, and its limits hold []";
const RECORD: &str = "wait until the parent has recorded the container []";

/// A container in systemd's care.
fn scope(changes: Value) -> Case {
    let mut case = Case::with(changes);
    case.options.awaits_cgroup = true;
    case
}

fn mount(kind: &str, destination: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": kind, "source": "/s", "options": options })
}

/// The line before the wait and the one after it.
fn around(case: &Case) -> (String, String) {
    let lines = case.lines();
    assert_eq!(lines.iter().filter(|line| *line == WAIT).count(), 1, "{}", lines.join("\n"));
    let at = lines.iter().position(|line| line == WAIT).unwrap();
    (lines[at - 1].clone(), lines[at + 1].clone())
}

#[test]
fn mounts_do_not_wait_but_for_that_of_cgroups() {
    let case = scope(json!({
        "mounts": [
            mount("proc", "/proc", &[]),
            mount("tmpfs", "/run", &[]),
            mount("cgroup", "/sys/fs/cgroup", &[]),
            mount("tmpfs", "/tmp", &[]),
        ],
        "linux": { "namespaces": [{ "type": "cgroup" }, { "type": "pid" }, { "type": "mount" }] }
    }));
    let (before, after) = around(&case);
    assert!(before.starts_with("mount tmpfs on /run"), "{before}");
    assert_eq!(after, "make new namespaces: cgroup [/linux/namespaces/0]");
    assert_order(
        &case.lines(),
        &[WAIT, "cgroup [/linux/namespaces/0]", "on /sys/fs/cgroup", "/tmp"],
    );
}

#[test]
fn without_a_mount_of_cgroups_the_record_is_what_waits() {
    let namespaces = json!([{ "type": "cgroup" }, { "type": "mount" }]);
    let case = scope(json!({ "linux": { "namespaces": namespaces } }));
    assert_order(&case.lines(), &[WAIT, "make new namespaces: cgroup", RECORD]);
    assert_eq!(around(&scope(json!({}))).1, RECORD);
}

#[test]
fn what_the_cgroup_shows_or_accounts_for_waits() {
    for waits in [
        mount("bind", "/cgroups", &["bind"]),
        mount("cgroup2", "/c", &[]),
        mount("tmpfs", "/tmp", &["tmpcopyup"]),
    ] {
        let mut waits = waits;
        if waits["type"] == "bind" {
            waits["source"] = "/sys/fs/cgroup/system.slice".into();
        }
        let destination = waits["destination"].as_str().unwrap().to_owned();
        let case = scope(json!({ "mounts": [mount("tmpfs", "/first", &[]), waits] }));
        let (before, after) = around(&case);
        assert!(before.contains("/first") && after.contains(&destination), "{before}\n{after}");
    }
}

#[test]
fn a_process_that_others_can_get_at_waits_first() {
    for kind in ["user", "pid", "mount"] {
        let joined = json!({ "type": kind, "path": format!("/proc/7/ns/{kind}") });
        let own = json!({ "type": if kind == "mount" { "uts" } else { "mount" } });
        let case = scope(json!({ "linux": { "namespaces": [joined, own] } }));
        let first = match kind {
            // Groups are dropped right before the join.
            "user" => "drop the caller's groups".to_owned(),
            kind => format!("/proc/7/ns/{kind}"),
        };
        assert!(around(&case).1.contains(&first), "{kind}");
    }
    let network = json!([{ "type": "network", "path": "/proc/7/ns/net" }, { "type": "mount" }]);
    let case = scope(json!({ "linux": { "namespaces": network } }));
    assert_order(&case.lines(), &["/proc/7/ns/net", "as the root", WAIT]);
    let delegated = json!({ "annotations": { "run.oci.delegate-cgroup": "own" } });
    assert_order(&scope(delegated).lines(), &[WAIT, "own", "as the root"]);
}

#[test]
fn a_cgroup_that_is_there_is_not_waited_for() {
    assert_eq!(Case::with(json!({})).grep(WAIT), [""; 0]);
}
