//! `pause` and `resume`, and what the other commands make of a paused container. On the machine's own hierarchies, and
//! in a view of pure cgroup v2.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use coble_tests::{Bundle, Case, Cmd, leftovers, skip, wait};

/// Runs a container whose process and its child write one number after the other.
fn counting(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.writable().sh(
        "count() { i=0; while :; do i=$((i+1)); echo $i > /tmp/$1; done; }; count child & count first",
    );
    case.detach(&bundle);
    wait::until("both counters", || counters(&bundle).iter().all(|text| !text.is_empty()));
    bundle
}

fn counters(bundle: &Bundle) -> [String; 2] {
    ["first", "child"]
        .map(|name| fs::read_to_string(bundle.inside("/tmp").join(name)).unwrap_or_default())
}

fn stands_still(bundle: &Bundle) -> bool {
    let before = counters(bundle);
    sleep(Duration::from_millis(60));
    counters(bundle) == before
}

/// Waits until both counters have moved on.
fn goes_on(bundle: &Bundle) {
    let before = counters(bundle);
    wait::until("both counters to go on", || {
        let now = counters(bundle);
        now[0] != before[0] && now[1] != before[1]
    });
}

fn v2(case: &Case, words: &[&str]) -> Cmd {
    case.coble_v2().args(words).arg(&case.id)
}

#[test]
fn no_process_runs_while_it_is_paused() {
    let Some(case) = Case::root() else { return };
    let bundle = counting(&case);
    for _ in 0..3 {
        case.verb(&["pause"]).output().ok();
        assert!(stands_still(&bundle), "paused containers don't count");
        assert_eq!(case.status(), "paused");
        let list = case.coble().arg("list").output().stdout();
        assert!(list.contains(" paused "), "{list}");
        case.verb(&["resume"]).output().ok();
        assert_eq!(case.status(), "running");
        goes_on(&bundle);
    }
}

#[test]
fn each_is_refused_where_it_makes_no_sense() {
    let Some(case) = Case::root() else { return };
    let bundle = counting(&case);
    case.verb(&["resume"]).output().refused(&["container not paused"]);
    case.verb(&["pause"]).output().ok();
    case.verb(&["pause"]).output().refused(&["container not running"]);
    case.verb(&["start"]).output().refused(&["cannot start a container in the paused state"]);
    case.verb(&["delete"]).output().refused(&["that is not stopped: paused"]);
    assert!(stands_still(&bundle));
    case.verb(&["kill"]).args(["KILL"]).output().ok();
    case.until_stopped();
    case.verb(&["pause"]).output().refused(&["container not running"]);
    case.verb(&["resume"]).output().refused(&["container not paused"]);
    case.delete();
    case.verb(&["pause"]).output().refused(&["container does not exist"]);
    case.verb(&["resume"]).output().refused(&["container does not exist"]);
}

#[test]
fn a_container_that_waits_for_start_can_be_paused() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    case.create(&bundle).output().ok();
    case.verb(&["pause"]).output().ok();
    assert_eq!(case.status(), "paused");
    case.verb(&["start"]).output().refused(&["cannot start a container in the paused state"]);
    case.verb(&["resume"]).output().ok();
    assert_eq!(case.status(), "created");
    case.verb(&["start"]).output().ok();
    assert_eq!(case.status(), "running");
    case.delete_force();

    case.create(&bundle).output().ok();
    case.verb(&["pause"]).output().ok();
    case.delete_force();
    case.assert_clean();
}

#[test]
fn kill_reaches_a_paused_container() {
    let Some(case) = Case::root() else { return };
    let bundle = counting(&case);
    case.verb(&["pause"]).output().ok();
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    case.delete();
    case.assert_clean();

    case.detach(&bundle);
    case.verb(&["pause"]).output().ok();
    case.coble().args(["kill", "--all", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    case.delete();
    case.assert_clean();
}

#[test]
fn other_signals_come_when_it_is_resumed() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle
        .writable()
        .sh("trap 'echo got > /tmp/log; exit 0' TERM; echo ready > /tmp/log; while :; do sleep 0.02; done");
    case.detach(&bundle);
    let log = || fs::read_to_string(bundle.inside("/tmp/log")).unwrap_or_default();
    wait::until("the trap", || log() == "ready\n");
    case.verb(&["pause"]).output().ok();
    case.verb(&["kill"]).output().ok();
    sleep(Duration::from_millis(60));
    assert_eq!((log().as_str(), case.status().as_str()), ("ready\n", "paused"));
    case.verb(&["resume"]).output().ok();
    case.until_stopped();
    assert_eq!(log(), "got\n");
}

#[test]
fn delete_force_ends_a_paused_container() {
    let Some(case) = Case::root() else { return };
    let mut bundle = counting(&case);
    case.verb(&["pause"]).output().ok();
    case.delete_force();
    case.assert_clean();

    bundle.without_namespace("pid");
    case.detach(&bundle);
    case.verb(&["pause"]).output().ok();
    case.delete_force();
    case.assert_clean();
}

#[test]
fn exec_waits_for_a_paused_container_if_it_is_told_to() {
    let Some(case) = Case::root() else { return };
    counting(&case);
    case.verb(&["pause"]).output().ok();
    let words = "cannot exec in a paused container (use --ignore-paused to override)";
    case.exec(&["true"]).output().fails(255, &[words]);
    let mut exec = case.exec_with(&["--ignore-paused"], &["echo", "here"]).spawn();
    sleep(Duration::from_millis(60));
    assert!(exec.runs() && exec.stdout().is_empty(), "it is held like the others");
    case.verb(&["resume"]).output().ok();
    assert_eq!(exec.wait().stdout(), "here\n");
}

#[test]
fn a_paused_cgroup_in_the_container_stays_paused() {
    let Some(case) = Case::root() else { return };
    let top = std::path::Path::new("/sys/fs/cgroup/freezer");
    if !top.join("cgroup.procs").exists() {
        return skip("no v1 freezer is mounted here");
    }
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000 & sleep 1000");
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    case.detach(&bundle);
    let inner = top.join(&case.id).join("inner");
    fs::create_dir(&inner).unwrap();
    let child = || leftovers_child(&case);
    wait::until("the child", || child().is_some());
    fs::write(inner.join("cgroup.procs"), child().unwrap()).unwrap();
    fs::write(inner.join("freezer.state"), "FROZEN").unwrap();
    case.verb(&["pause"]).output().ok();
    case.verb(&["resume"]).output().ok();
    assert_eq!(fs::read_to_string(inner.join("freezer.self_freezing")).unwrap(), "1\n");
    assert_eq!(case.status(), "running");
    // The first process can't end before its child has, which is held.
    case.delete_force();
    case.assert_clean();
}

/// The process of the container that isn't its first one.
fn leftovers_child(case: &Case) -> Option<String> {
    let json = case.verb(&["ps", "--format", "json"]).output().stdout();
    let pids: Vec<u64> = serde_json::from_str(&json).unwrap();
    pids.into_iter().find(|&pid| pid != case.pid()).map(|pid| pid.to_string())
}

#[test]
fn a_container_that_forks_all_the_time_is_held() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.writable().sh("while :; do true & echo x > /tmp/turn; rm /tmp/turn; wait; done");
    case.detach(&bundle);
    for _ in 0..10 {
        case.verb(&["pause"]).output().ok();
        assert_eq!(case.status(), "paused");
        let pids = || case.verb(&["ps", "--format", "json"]).output().stdout();
        assert_eq!(pids(), pids());
        case.verb(&["resume"]).output().ok();
    }
}

#[test]
fn v2_no_process_runs_while_it_is_paused() {
    let Some(case) = Case::root_v2() else { return };
    let mut bundle = case.bundle();
    bundle
        .writable()
        .sh("i=0; while :; do i=$((i+1)); echo $i > /tmp/first; echo $i > /tmp/child; done");
    bundle.write();
    let run = case.coble_v2().args(["run", "--detach", "--bundle"]).arg(&bundle.path);
    run.arg(&case.id).output().ok();
    wait::until("the counter", || !counters(&bundle)[1].is_empty());
    v2(&case, &["resume"]).output().refused(&["container not paused"]);
    v2(&case, &["pause"]).output().ok();
    assert!(stands_still(&bundle), "paused containers don't count");
    assert!(v2(&case, &["state"]).output().stdout().contains("\"paused\""));
    v2(&case, &["pause"]).output().refused(&["container not running"]);
    v2(&case, &["resume"]).output().ok();
    goes_on(&bundle);
    v2(&case, &["pause"]).output().ok();
    v2(&case, &["kill"]).args(["KILL"]).output().ok();
    wait::until("its end", || v2(&case, &["state"]).output().stdout().contains("\"stopped\""));
    v2(&case, &["delete"]).output().ok();
    case.assert_clean();
}

#[test]
fn v2_delete_force_ends_a_paused_container() {
    let Some(case) = Case::root_v2() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000 & sleep 1000").write();
    for verb in ["create", "run"] {
        let make = case.coble_v2().arg(verb).args((verb == "run").then_some("--detach"));
        make.arg("--bundle").arg(&bundle.path).arg(&case.id).output().ok();
        v2(&case, &["pause"]).output().ok();
        v2(&case, &["delete", "--force"]).output().ok();
        case.assert_clean();
        assert!(leftovers::processes(&case.id).is_empty());
    }
}
