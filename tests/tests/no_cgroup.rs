//! `--cgroup-manager`: containers without a cgroup.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Bundle, Case, Cmd};
use serde_json::json;

/// A bundle that can do without a cgroup.
fn bundle(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.user_namespace(0, 65536);
    bundle
}

fn coble(case: &Case, manager: &str, verb: &[&str]) -> Cmd {
    let coble = case.bare().args(["--cgroup-manager", manager, "--root"]).arg(case.state_root());
    coble.args(verb)
}

fn run(case: &Case, manager: &str, bundle: &Bundle, flags: &[&str]) -> Cmd {
    bundle.write();
    coble(case, manager, &["run"]).args(flags).arg("-b").arg(&bundle.path).arg(&case.id)
}

#[test]
fn the_container_stays_in_its_makers_cgroups() {
    let Some(case) = Case::root() else { return };
    let mut bundle = bundle(&case);
    bundle.without_namespace("cgroup").args(&["cat", "/proc/self/cgroup"]);
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    assert_eq!(run(&case, "disabled", &bundle, &[]).output().stdout(), own);
    let with = run(&case, "cgroupfs", &bundle, &[]).output().stdout();
    assert!(with.contains(&case.id), "{with}");
}

#[test]
fn what_needs_no_cgroup_works_and_the_rest_says_so() {
    let Some(case) = Case::root() else { return };
    let mut bundle = bundle(&case);
    bundle.args(&["sleep", "1000"]);
    run(&case, "disabled", &bundle, &["--detach"]).output().ok();
    assert_eq!(case.status(), "running");
    assert_eq!(case.exec(&["echo", "here"]).output().stdout(), "here\n");
    let no_cgroup = ["has no cgroup that knows its processes"];
    case.verb(&["ps"]).output().refused(&no_cgroup);
    case.verb(&["pause"]).output().refused(&[]);
    case.coble().args(["update", "--pids-limit", "5"]).arg(&case.id).output().refused(&[]);
    case.coble().args(["kill", "--all"]).arg(&case.id).arg("KILL").output().ok();
    case.until_stopped();
    case.delete();
    case.assert_clean();
}

#[test]
fn what_only_a_cgroup_can_do_is_refused() {
    let Some(case) = Case::root() else { return };
    let mut limited = bundle(&case);
    limited.config["linux"]["resources"]["pids"] = json!({"limit": 5});
    let words = ["/linux/resources: without a cgroup there are no limits"];
    case.refuses(run(&case, "disabled", &limited, &[]), &words);
    let privileged = case.bundle_at("privileged");
    let words = ["/linux/namespaces: without a cgroup only a user namespace"];
    case.refuses(run(&case, "disabled", &privileged, &[]), &words);
}

#[test]
fn the_other_managers() {
    let Some(case) = Case::root() else { return };
    let bundle = bundle(&case);
    let both = ["--systemd-cgroup", "run", "--bundle"];
    let both = coble(&case, "disabled", &both).arg(&bundle.path).arg(&case.id);
    case.refuses(both, &["--cgroup-manager disabled and --systemd-cgroup exclude each other"]);
    case.refuses(run(&case, "moon", &bundle, &[]), &["unknown cgroup manager \"moon\""]);
    // Where no container is made, the driver makes no difference.
    assert_eq!(coble(&case, "systemd", &["list", "-q"]).output().stdout(), "");
    case.refuses(coble(&case, "disabled", &["try", "true"]), &["try always has a cgroup"]);
}
