//! Attacks by a container that may write to its cgroup: names and depths that no path of the runtime's leads to.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use coble_tests::{Case, Output, wait};
use serde_json::json;

/// A cgroup whose name is not UTF-8.
const NAME: &str = r"b=$(printf '\377'); mkdir $b; cd -P ./$b";
/// Cgroups in each other, whose names together are longer than `PATH_MAX`.
const NEST: &str =
    "n=$(printf %0250d 0); for i in $(seq 20); do mkdir $n; cd -P ./$n 2>/dev/null; done";

/// Moves a process of the container's into the cgroup that `line` makes and changes to, in every hierarchy.
fn hides_in(line: &str) -> String {
    format!(
        "sleep 1000 & \
         for d in /sys/fs/cgroup /sys/fs/cgroup/*; do \
           if [ -e $d/cgroup.procs ]; then cd $d; {line}; echo $! >cgroup.procs; fi; \
         done 2>/dev/null; \
         cd /; echo hidden; while sleep 1; do :; done"
    )
}

/// Runs such a container in what `coble` gives as the layout of cgroups: the process is told of, gets signals, and goes.
fn nothing_is_hidden(case: &Case, coble: impl Fn(&[&str]) -> Output, gone: impl Fn() -> bool) {
    for line in [NAME, NEST] {
        let mut bundle = case.bundle_at(&format!("bundle-{}", line.len()));
        bundle.sh(&format!("({}) >/out", hides_in(line))).writable().namespace("cgroup");
        bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
        let mounts = bundle.list("/mounts");
        let cgroups = mounts.iter_mut().find(|mount| mount["destination"] == "/sys/fs/cgroup");
        cgroups.unwrap()["options"] = json!(["nosuid", "noexec", "nodev", "rw"]);
        bundle.write();
        let path = bundle.path.to_str().unwrap();
        let is_sleep = |process: &str| process.ends_with(" sleep 1000");
        let sees = || coble(&["ps", &case.id]).stdout().lines().any(is_sleep);
        coble(&["run", "--detach", "--bundle", path, &case.id]).ok();
        wait::until("a hidden process", || {
            std::fs::read_to_string(bundle.inside("/out")).is_ok_and(|text| text == "hidden\n")
        });
        assert!(sees(), "{line}: ps doesn't see it");
        coble(&["kill", "--all", &case.id, "TERM"]).ok();
        wait::until("the end of the hidden process", || !sees());
        coble(&["delete", "--force", &case.id]).ok();
        assert!(gone(), "{line}: the cgroup is left");
    }
}

#[test]
fn v2_nothing_hides_in_a_cgroup() {
    let Some(case) = Case::root_v2() else { return };
    let coble = |words: &[&str]| case.coble_v2().args(words).output();
    let gone = || {
        let test = format!("test ! -e /sys/fs/cgroup/{}", case.id);
        case.tool_v2("sh").args(["-c", &test]).output().code == Some(0)
    };
    nothing_is_hidden(&case, coble, gone);
}

#[test]
fn nothing_hides_in_a_cgroup_of_this_machine() {
    let Some(case) = Case::root() else { return };
    let coble = |words: &[&str]| case.coble().args(words).output();
    nothing_is_hidden(&case, coble, || coble_tests::leftovers::cgroups(&case.id).is_empty());
}
