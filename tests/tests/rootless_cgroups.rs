//! Cgroups of a plain user, delegated and not, and the flag `--rootless`.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use coble_tests::{Bundle, Case, Cmd, PLAIN_ID, V2, skip};
use rustix::process::geteuid;
use serde_json::json;

/// A plain user's case where cgroup v2 alone can be had.
fn case() -> Option<Case> {
    if !geteuid().is_root() {
        skip("needs root to delegate a cgroup");
        return None;
    }
    Case::root_v2()?;
    Case::plain()
}

/// A command of root's shell where cgroup v2 alone is mounted; `$D` is the cgroup that is delegated.
fn root(case: &Case, line: &str) -> Cmd {
    let line = format!("{V2} && D=/sys/fs/cgroup/{}-delegated; {line}", case.id);
    Cmd::new("unshare", &case.id, &case.dir.join("output")).args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        &line,
        "sh",
    ])
}

const AS_USER: &str = "exec setpriv --reuid 54321 --regid 54321 --clear-groups \"$@\"";

/// The runtime as the plain user, in the cgroup `own` of the one that is delegated (cgroups(7), "Delegation").
fn delegated(case: &Case, words: &[&str]) -> Cmd {
    let enter = "mkdir -p $D/own; for c in $(cat /sys/fs/cgroup/cgroup.controllers); do \
                 echo +$c > /sys/fs/cgroup/cgroup.subtree_control; done; \
                 for file in . cgroup.procs cgroup.subtree_control cgroup.threads own \
                 own/cgroup.procs own/cgroup.threads; do chown 54321:54321 $D/$file; done; \
                 echo $$ > $D/own/cgroup.procs";
    runtime(root(case, &format!("{enter}; {AS_USER}")), case, words)
}

/// The same where no cgroup is the user's.
fn plain(case: &Case, words: &[&str]) -> Cmd {
    runtime(root(case, AS_USER), case, words)
}

fn runtime(cmd: Cmd, case: &Case, words: &[&str]) -> Cmd {
    cmd.arg(case.program()).arg("--root").arg(case.state_root()).args(words)
}

fn run<'a>(case: &'a Case, bundle: &'a Bundle, flags: &[&'a str]) -> Vec<&'a str> {
    bundle.write();
    [flags, &["run", "--detach", "--bundle", bundle.path.to_str().unwrap(), &case.id]].concat()
}

/// Removes the cgroup that was delegated, after a failure too.
struct Delegated<'a>(&'a Case);

impl Drop for Delegated<'_> {
    fn drop(&mut self) {
        let _ = self.0.verb(&["delete", "--force"]).output();
        root(self.0, "test ! -d $D || find $D -depth -type d -exec rmdir {} +").output().ok();
    }
}

#[test]
fn a_delegated_cgroup_is_used() {
    let Some(case) = case() else { return };
    let delegation = Delegated(&case);
    assert_eq!(PLAIN_ID, 54321);
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000 & sleep 1001 & wait");
    delegated(&case, &run(&case, &bundle, &[])).output().ok();
    let look = format!("cat $D/{}/cgroup.procs | wc -l", case.id);
    coble_tests::wait::until("all processes", || root(&case, &look).output().stdout() == "3\n");
    delegated(&case, &["exec", "--detach", &case.id, "sleep", "1000"]).output().ok();
    assert_eq!(root(&case, &look).output().stdout(), "4\n");
    let ps = delegated(&case, &["ps", "-f", "json", &case.id]).output().stdout();
    assert_eq!(ps.matches(',').count(), 3, "{ps}");
    delegated(&case, &["pause", &case.id]).output().ok();
    let state = delegated(&case, &["state", &case.id]).output().stdout();
    assert!(state.contains("\"paused\""), "{state}");
    delegated(&case, &["resume", &case.id]).output().ok();
    delegated(&case, &["delete", "--force", &case.id]).output().ok();
    drop(delegation);
    case.assert_clean();
}

#[test]
fn limits_of_a_delegated_controller_are_set_and_others_refused() {
    let Some(case) = case() else { return };
    let delegation = Delegated(&case);
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    bundle.config["linux"]["resources"] =
        json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}]});
    let controllers = root(&case, "cat /sys/fs/cgroup/cgroup.controllers").output().stdout();
    if !controllers.split_whitespace().any(|one| one == "hugetlb") {
        return skip("cgroup v2 has no hugetlb here");
    }
    delegated(&case, &run(&case, &bundle, &[])).output().ok();
    let look = format!("cat $D/{}/hugetlb.2MB.max", case.id);
    assert_eq!(root(&case, &look).output().stdout(), "4194304\n");
    delegated(&case, &["delete", "--force", &case.id]).output().ok();

    bundle.config["linux"]["resources"] = json!({"rdma": {"none": {"hcaHandles": 1}}});
    if !controllers.split_whitespace().any(|one| one == "rdma") {
        let words = ["/linux/resources/rdma", "the cgroup controller rdma is not available"];
        delegated(&case, &run(&case, &bundle, &[])).output().refused(&words);
    }
    drop(delegation);
    case.assert_clean();
}

#[test]
fn a_path_in_a_delegated_cgroup_is_used_and_any_other_refused() {
    let Some(case) = case() else { return };
    let delegation = Delegated(&case);
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    let below = format!("/{}-delegated/deep/{}", case.id, case.id);
    bundle.config["linux"]["cgroupsPath"] = below.as_str().into();
    delegated(&case, &run(&case, &bundle, &[])).output().ok();
    let look = format!("wc -l < $D/deep/{}/cgroup.procs", case.id);
    assert_eq!(root(&case, &look).output().stdout(), "1\n");
    delegated(&case, &["delete", "--force", &case.id]).output().ok();
    drop(delegation);
    for mode in ["auto", "true", "false"] {
        bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
        let refused = plain(&case, &run(&case, &bundle, &["--rootless", mode])).output();
        refused.refused(&["make the cgroup", "ermission denied"]);
    }
    case.assert_clean();
}

const NO_RIGHTS: &str =
    "rootless needs no limits + no cgrouppath when no permission is granted for cgroups";

#[test]
fn without_one_it_depends_on_the_flag() {
    let Some(case) = case() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    for mode in ["auto", "true"] {
        plain(&case, &run(&case, &bundle, &["--rootless", mode])).output().ok();
        let words = ["no cgroup"];
        plain(&case, &["ps", &case.id]).output().refused(&words);
        plain(&case, &["pause", &case.id]).output().refused(&words);
        assert_eq!(plain(&case, &["exec", &case.id, "echo", "x"]).output().stdout(), "x\n");
        plain(&case, &["delete", "--force", &case.id]).output().ok();
        case.assert_clean();
    }
    let refused = plain(&case, &run(&case, &bundle, &["--rootless", "false"])).output();
    refused.refused(&["make the cgroup", "ermission denied"]);
    for mode in ["auto", "true", "false"] {
        bundle.config["linux"]["resources"] = json!({"pids": {"limit": 5}});
        let words: &[&str] = match mode {
            "false" => &["make the cgroup", "ermission denied"],
            _ => &["/linux/resources/pids/limit", "pids is not available", NO_RIGHTS],
        };
        plain(&case, &run(&case, &bundle, &["--rootless", mode])).output().refused(words);
        case.assert_clean();
    }
}

#[test]
fn root_may_do_without_where_a_user_namespace_keeps_devices_away() {
    let Some(case) = Case::root_v2() else { return };
    let mut bundle = case.bundle();
    bundle.config["linux"]["resources"] = json!({});
    let read_only = |mode: &str, bundle: &Bundle| {
        let line = "mount -o remount,bind,ro /sys/fs/cgroup; exec \"$@\"";
        let flags = ["--rootless", mode];
        runtime(root(&case, line), &case, &run(&case, bundle, &flags)).output()
    };
    let refused = ["ead-only file system"];
    read_only("auto", &bundle).refused(&refused);
    read_only("false", &bundle).refused(&refused);
    read_only("true", &bundle).refused(&["the cgroup controller devices is not available"]);
    case.assert_clean();
    bundle.user_namespace(100_000, 65536).sh("sleep 1000");
    case.give_rootfs(&bundle, 100_000);
    read_only("auto", &bundle).refused(&refused);
    read_only("true", &bundle).ok();
    case.delete_force();
    case.assert_clean();
}
