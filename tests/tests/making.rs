//! A container that is being made, or that somebody else changes at the same time.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Case, wait};
use serde_json::json;

#[test]
fn an_exec_waits_until_the_container_has_its_own_root() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    fs::write(bundle.inside("/inside"), "").unwrap();
    let mark = case.dir.join("hook-runs");
    bundle.hook("createRuntime", &format!("touch {}; sleep 1", mark.display()));
    let run = case.run_with(&bundle, &["--detach"]).spawn();
    wait::until("the hook runs", || mark.exists());
    case.exec(&["/bin/test", "-e", "/inside"]).output().ok();
    run.wait().ok();
}

#[test]
fn a_start_container_hook_finds_none_of_the_hosts_files() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let notes = case.folder("notes");
    let place = notes.to_str().unwrap().to_owned();
    bundle.mount("bind", &place, &place, &["bind", "rw"]);
    bundle.config["process"]["oomScoreAdj"] = json!(5);
    bundle.args(&["/bin/true"]);
    bundle.hook("startContainer", &format!("ls -l /proc/1/fd > {place}/fds 2>&1; true"));
    case.run(&bundle).output().ok();
    let fds = fs::read_to_string(notes.join("fds")).unwrap();
    assert!(fds.contains("total") && !fds.contains("-> /proc"), "{fds}");
}

#[test]
fn hooks_in_the_container_have_no_blocked_signals_and_a_umask() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let notes = case.folder("notes");
    let place = notes.to_str().unwrap().to_owned();
    bundle.args(&["/bin/true"]);
    let line = format!("umask > {place}/umask; grep SigBlk /proc/self/status > {place}/blocked");
    bundle.hook("createContainer", &line);
    case.run(&bundle).output().ok();
    assert_eq!(fs::read_to_string(notes.join("umask")).unwrap(), "0022\n");
    let blocked = fs::read_to_string(notes.join("blocked")).unwrap();
    assert_eq!(blocked, "SigBlk:\t0000000000000000\n");
}

#[test]
fn a_hook_that_does_not_read_a_large_state_still_has_its_timeout() {
    let Some(case) = Case::root() else { return };
    for kind in ["createRuntime", "createContainer"] {
        let mut bundle = case.bundle_at(kind);
        bundle.config["annotations"]["large"] = json!("x".repeat(300_000));
        bundle.hook(kind, "exec sleep 1000");
        bundle.config["hooks"][kind][0]["timeout"] = json!(1);
        case.refuses(case.run(&bundle), &["timeout"]);
    }
}

#[test]
fn a_broken_record_does_not_keep_a_container() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    case.create(&bundle).output().ok();
    fs::write(case.state_root().join(&case.id).join("state.json"), "").unwrap();
    case.delete_force();
    case.assert_clean();
}
