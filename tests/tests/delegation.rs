//! `run.oci.delegate-cgroup`: a cgroup below the container's that its program manages itself.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Bundle, Case, Output, wait};
use serde_json::json;

const OWN: &str = "grep '^0::' /proc/self/cgroup";

/// A bundle that asks for the cgroup `path`, whose program sees the cgroups and may write to them.
fn delegated(case: &Case, path: &str) -> Bundle {
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000").namespace("cgroup");
    bundle.config["annotations"]["run.oci.delegate-cgroup"] = path.into();
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    let mounts = bundle.list("/mounts");
    let cgroups = mounts.iter_mut().find(|mount| mount["destination"] == "/sys/fs/cgroup").unwrap();
    cgroups["options"] = json!(["nosuid", "noexec", "nodev", "rw"]);
    bundle
}

/// With cgroup v2 alone.
fn v2(case: &Case, words: &[&str]) -> Output {
    case.coble_v2().args(words).output()
}

fn run(case: &Case, bundle: &Bundle, flags: &[&str]) -> Output {
    bundle.write();
    let path = bundle.path.to_str().unwrap();
    v2(case, &[&["run", "--bundle", path], flags, &[case.id.as_str()]].concat())
}

fn exec(case: &Case, flags: &[&str], line: &str) -> Output {
    v2(case, &[&["exec"], flags, &[case.id.as_str(), "sh", "-euc", line]].concat())
}

/// A line for a shell of the host that has cgroup v2 alone; `$C` is the container's own cgroup.
fn host(case: &Case, line: &str) -> String {
    let own = format!("C=/sys/fs/cgroup/{}; {line}", case.id);
    case.tool_v2("sh").args(["-euc", &own]).output().stdout()
}

fn is_gone(case: &Case) -> bool {
    host(case, "test -e \"$C\" || echo gone") == "gone\n"
}

fn delete(case: &Case) {
    v2(case, &["delete", "--force", &case.id]).ok();
    assert!(is_gone(case), "the cgroup is left");
}

#[test]
fn the_program_is_in_it_and_the_namespace_ends_above() {
    let Some(case) = Case::root() else { return };
    for (path, seen) in [("own", "0::/own\n"), ("/a//b/", "0::/a/b\n")] {
        let mut bundle = delegated(&case, path);
        bundle.sh(OWN);
        assert_eq!(run(&case, &bundle, &[]).stdout(), seen);
        assert!(is_gone(&case), "the cgroup is left");
        fs::remove_dir_all(&bundle.path).unwrap();
    }
}

#[test]
fn without_a_cgroup_namespace_it_is_seen_as_the_hosts() {
    let Some(case) = Case::root() else { return };
    let mut bundle = delegated(&case, "own");
    bundle.sh(OWN).without_namespace("cgroup");
    let seen = run(&case, &bundle, &[]).stdout();
    assert!(seen.ends_with(&format!("/{}/own\n", case.id)), "{seen}");
}

#[test]
fn an_empty_value_asks_for_none() {
    let Some(case) = Case::root() else { return };
    let mut bundle = delegated(&case, "");
    bundle.sh(OWN);
    assert_eq!(run(&case, &bundle, &[]).stdout(), "0::/\n");
}

#[test]
fn exec_follows_and_can_be_told_otherwise() {
    let Some(case) = Case::root() else { return };
    run(&case, &delegated(&case, "own"), &["--detach"]).ok();
    assert_eq!(exec(&case, &[], OWN).stdout(), "0::/own\n");
    exec(&case, &[], "mkdir /sys/fs/cgroup/own/deep").ok();
    assert_eq!(exec(&case, &["--cgroup", "own/deep"], OWN).stdout(), "0::/own/deep\n");
    delete(&case);
}

#[test]
fn create_and_start_do_the_same() {
    let Some(case) = Case::root() else { return };
    let bundle = delegated(&case, "own");
    bundle.write();
    let path = bundle.path.to_str().unwrap();
    v2(&case, &["create", "--bundle", path, &case.id]).ok();
    assert_eq!(host(&case, "wc -l < \"$C\"/own/cgroup.procs"), "1\n");
    assert_eq!(host(&case, "cat \"$C\"/cgroup.procs"), "");
    v2(&case, &["start", &case.id]).ok();
    assert_eq!(exec(&case, &[], OWN).stdout(), "0::/own\n");
    delete(&case);
}

#[test]
fn a_process_that_moves_into_a_joined_pid_namespace_is_in_it_too() {
    let Some(case) = Case::root() else { return };
    let mut bundle = delegated(&case, "own");
    bundle.join("pid", std::path::Path::new("/proc/self/ns/pid")).sh(OWN);
    assert_eq!(run(&case, &bundle, &[]).stdout(), "0::/own\n");
}

#[test]
fn controllers_are_there_and_limits_stay_above() {
    let Some(case) = Case::root() else { return };
    let bundle = delegated(&case, "own");
    run(&case, &bundle, &["--detach"]).ok();
    let all = host(&case, "cat \"$C\"/cgroup.controllers");
    let enabled = host(&case, "cat \"$C\"/own/cgroup.controllers");
    assert_eq!(enabled, all);
    if all.split_whitespace().any(|controller| controller == "pids") {
        v2(&case, &["update", "--pids-limit", "77", &case.id]).ok();
        assert_eq!(host(&case, "cat \"$C\"/pids.max \"$C\"/own/pids.max"), "77\nmax\n");
    }
    delete(&case);
}

#[test]
fn the_container_is_paused_counted_and_killed_as_a_whole() {
    let Some(case) = Case::root() else { return };
    let mut bundle = delegated(&case, "own");
    bundle.sh("sleep 1000 & sleep 1001 & wait");
    run(&case, &bundle, &["--detach"]).ok();
    wait::until("all processes", || {
        v2(&case, &["ps", "-f", "json", &case.id]).stdout().matches(',').count() == 2
    });
    v2(&case, &["pause", &case.id]).ok();
    assert_eq!(host(&case, "grep frozen \"$C\"/own/cgroup.events"), "frozen 1\n");
    let state = v2(&case, &["state", &case.id]).stdout();
    assert!(state.contains("\"paused\""), "{state}");
    v2(&case, &["resume", &case.id]).ok();
    assert_eq!(host(&case, "grep frozen \"$C\"/own/cgroup.events"), "frozen 0\n");
    v2(&case, &["kill", "--all", &case.id, "KILL"]).ok();
    wait::until("the end", || v2(&case, &["state", &case.id]).stdout().contains("\"stopped\""));
    v2(&case, &["delete", &case.id]).ok();
    assert!(is_gone(&case), "the cgroup is left");
}

#[test]
fn what_the_program_makes_below_is_removed() {
    let Some(case) = Case::root() else { return };
    run(&case, &delegated(&case, "own"), &["--detach"]).ok();
    let line = "cd /sys/fs/cgroup/own; mkdir -p x/y; sleep 1000 & echo $! > x/y/cgroup.procs";
    exec(&case, &[], line).ok();
    delete(&case);
}

#[test]
fn it_belongs_to_the_root_of_the_user_namespace_and_the_containers_does_not() {
    let Some(case) = Case::root() else { return };
    let mut bundle = delegated(&case, "own");
    bundle.user_namespace(100_000, 65536);
    case.give_rootfs(&bundle, 100_000);
    run(&case, &bundle, &["--detach"]).ok();
    let owners = host(&case, "stat -c %u:%g \"$C\" \"$C\"/cgroup.procs \"$C\"/own");
    assert_eq!(owners, "0:0\n0:0\n100000:100000\n");
    let files = "stat -c %u:%g \"$C\"/own/cgroup.procs \"$C\"/own/cgroup.subtree_control \
                 \"$C\"/own/cgroup.threads";
    assert_eq!(host(&case, files), "100000:100000\n".repeat(3));
    let manage = "cd /sys/fs/cgroup/own; mkdir a b; sleep 1000 & echo $! > a/cgroup.procs; \
                  echo $! > b/cgroup.procs; wc -l < b/cgroup.procs";
    assert_eq!(exec(&case, &[], manage).stdout(), "1\n");
    // What limits the container is out of reach.
    let denied = "echo 0 > /sys/fs/cgroup/cgroup.procs || echo no; \
                  mkdir /sys/fs/cgroup/other || echo no";
    assert_eq!(exec(&case, &[], denied).stdout, "no\nno\n");
    delete(&case);
}

#[test]
fn v1_and_what_is_no_path_are_refused() {
    let Some(case) = Case::root() else { return };
    let place = "/annotations/run.oci.delegate-cgroup";
    let mut bundle = delegated(&case, "own");
    if fs::metadata("/sys/fs/cgroup/cgroup.procs").is_err() {
        case.refuses(case.run(&bundle), &[place, "cgroup v2 alone"]);
    }
    for path in ["..", "a/../../b", "/", "."] {
        bundle.config["annotations"]["run.oci.delegate-cgroup"] = path.into();
        case.refuses(case.run(&bundle), &[place, "is no path below the container's cgroup"]);
    }
}

#[test]
fn a_container_without_a_cgroup_can_not_have_it() {
    let Some(case) = Case::root() else { return };
    let mut bundle = delegated(&case, "own");
    bundle.user_namespace(100_000, 65536);
    bundle.config["linux"]["resources"] = json!({});
    bundle.config["linux"]["cgroupsPath"] = json!("");
    bundle.write();
    let path = bundle.path.to_str().unwrap();
    let manager = ["--cgroup-manager", "disabled"];
    let run = case.coble_v2().args(manager).args(["run", "--bundle", path, &case.id]);
    let words = ["/annotations/run.oci.delegate-cgroup", "has no cgroup"];
    case.refuses(run, &words);
}
