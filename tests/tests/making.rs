//! A container that is being made, or that somebody else changes at the same time.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};

use coble_tests::{Bundle, Case, PLAIN_ID, wait};
use rustix::process::Signal;
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

/// A case and a bundle whose hook of this kind says that it runs, in the file that comes third, and never ends.
fn with_endless_hook(kind: &str) -> Option<(Case, Bundle, PathBuf)> {
    let case = Case::root()?;
    let mut bundle = case.bundle();
    let notes = case.folder("notes");
    let place = notes.to_str().unwrap().to_owned();
    bundle.mount("bind", &place, &place, &["bind", "rw"]);
    bundle.args(&["/bin/true"]);
    bundle.hook(kind, &format!("touch {place}/runs; exec sleep 1000"));
    bundle.write();
    Some((case, bundle, notes.join("runs")))
}

#[test]
fn what_is_being_made_says_so() {
    for verb in ["create", "run"] {
        let Some((case, bundle, mark)) = with_endless_hook("createRuntime") else { return };
        let making = case.coble().arg(verb).arg("--bundle").arg(&bundle.path).arg(&case.id).spawn();
        wait::until("the hook runs", || mark.exists());
        assert_eq!(case.status(), "creating", "{verb}");
        case.delete_force();
        making.wait().refused(&["createRuntime hook #0"]);
    }
}

#[test]
fn delete_by_force_ends_what_a_hook_keeps_from_being_made() {
    for kind in ["createRuntime", "createContainer"] {
        let Some((case, bundle, mark)) = with_endless_hook(kind) else { return };
        let create = case.create(&bundle).spawn();
        wait::until("the hook runs", || mark.exists());
        case.delete_force();
        create.wait().refused(&[]);
        case.assert_clean();
    }
}

#[test]
fn delete_by_force_ends_what_a_hook_keeps_from_being_started() {
    let Some((case, bundle, mark)) = with_endless_hook("startContainer") else { return };
    case.create(&bundle).output().ok();
    let start = case.verb(&["start"]).spawn();
    wait::until("the hook runs", || mark.exists());
    case.delete_force();
    start.wait();
    case.assert_clean();
}

#[test]
fn a_run_that_is_asked_to_end_ends_before_its_program_runs() {
    for (kind, signal) in [
        ("createRuntime", Signal::TERM),
        ("createContainer", Signal::INT),
        ("startContainer", Signal::HUP),
    ] {
        let Some((case, bundle, mark)) = with_endless_hook(kind) else { return };
        let run = case.run(&bundle).spawn();
        wait::until("the hook runs", || mark.exists());
        run.signal(signal);
        assert_eq!(run.wait().signal, Some(signal.as_raw()), "{kind}");
        case.assert_clean();
    }
}

#[test]
fn a_run_that_ignores_the_wish_to_end_goes_on() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let (mark, go) = (case.dir.join("hook-runs"), case.dir.join("go"));
    let wait_for_go = format!("until test -e {}; do sleep 0.01; done", go.display());
    bundle.hook("createRuntime", &format!("touch {}; {wait_for_go}", mark.display()));
    // The first process of a pid namespace is spared signals that it has no handler for.
    bundle.args(&["/bin/true"]).write();
    let ignoring = case.tool("sh").args(["-c", "trap '' TERM; exec \"$@\"", "sh"]);
    let run = ignoring.arg(case.program()).arg("--root").arg(case.state_root()).arg("run");
    let run = run.arg("--bundle").arg(&bundle.path).arg(&case.id).spawn();
    wait::until("the hook runs", || mark.exists());
    run.signal(Signal::TERM);
    fs::write(go, "").unwrap();
    run.wait().ok();
}

#[test]
fn what_was_never_recorded_loses_its_empty_cgroup_alone() {
    let Some(case) = Case::root() else { return };
    let top = "/sys/fs/cgroup/unified";
    let top = if Path::new(top).exists() { top } else { "/sys/fs/cgroup" };
    let cgroup = Path::new(top).join(&case.id);
    fs::create_dir(&cgroup).unwrap();
    let mut other = case.tool("sleep").arg("1000").spawn();
    fs::write(cgroup.join("cgroup.procs"), other.pid().to_string()).unwrap();
    let entry = case.state_root().join(&case.id);
    fs::create_dir(&entry).unwrap();
    symlink(format!("{top}//{}", case.id), entry.join("making")).unwrap();
    case.delete_force();
    assert!(other.runs() && !entry.exists() && cgroup.exists());

    other.signal(Signal::KILL);
    other.wait();
    fs::create_dir(&entry).unwrap();
    symlink(format!("{top}//{}", case.id), entry.join("making")).unwrap();
    case.delete_force();
    assert!(!entry.exists() && !cgroup.exists());
}

#[test]
fn a_record_that_somebody_else_wrote_is_not_believed() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let entry = case.state_root().join(&case.id);
    chown(&entry, Some(PLAIN_ID), None).unwrap();
    for words in [&["state"][..], &["kill"], &["delete", "--force"], &["start"]] {
        case.verb(words).output().refused(&["belongs to user 54321"]);
    }
    case.exec(&["/bin/true"]).output().fails(255, &["belongs to user 54321"]);
    chown(&entry, Some(0), None).unwrap();
    assert_eq!(case.status(), "running");
}
