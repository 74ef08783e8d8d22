//! create, start, state, kill, delete: the whole life of a container and every wrong turn in it.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use coble_tests::{Bundle, Case, wait};
use serde_json::Value;

/// A container that runs until it is told to end.
fn waiting(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.sh("trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done");
    bundle
}

#[test]
fn from_create_to_delete() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle
        .sh("echo started > /tmp/log; trap 'exit 9' TERM; while :; do sleep 0.05; done")
        .writable();
    case.create(&bundle).output().ok();
    assert_eq!(case.status(), "created");
    let pid = case.pid();
    assert!(!bundle.inside("/tmp/log").exists(), "the process must wait for start");

    case.verb(&["start"]).output().ok();
    wait::until("the process to run", || bundle.inside("/tmp/log").exists());
    assert_eq!(case.status(), "running");
    assert_eq!(case.pid(), pid, "the process that was created is the one that runs");

    case.coble().args(["kill", &case.id, "TERM"]).output().ok();
    case.until_stopped();
    assert_eq!(case.state()["pid"], 0, "a stopped container has no process");

    case.delete();
    case.assert_clean();
    case.verb(&["state"]).output().refused(&["container does not exist"]);
}

#[test]
fn state_has_every_field() {
    let Some(case) = Case::root() else { return };
    let mut bundle = waiting(&case);
    bundle.config["annotations"]["org.example.key"] = "a value".into();
    case.create(&bundle).output().ok();
    let state = case.state();
    assert_eq!(state["id"], case.id.as_str());
    assert_eq!(state["ociVersion"], bundle.config["ociVersion"]);
    assert_eq!(state["status"], "created");
    assert!(state["pid"].as_u64().is_some_and(|pid| pid > 1), "{state}");
    assert_eq!(state["bundle"], bundle.path.to_str().unwrap());
    assert_eq!(state["rootfs"], bundle.rootfs().to_str().unwrap());
    assert_eq!(state["annotations"]["org.example.key"], "a value");
    let created = state["created"].as_str().expect("a time");
    assert!(is_rfc3339(created), "{created}");
}

/// Whether `text` looks like `2026-01-31T23:59:59.123456789Z`.
fn is_rfc3339(text: &str) -> bool {
    let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    form.starts_with("0000-00-00T00:00:00") && form.ends_with('Z')
}

#[test]
fn a_container_keeps_its_streams_without_its_creator() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("cat; echo end >&2");
    let output = case.create(&bundle).stdin(b"input\n").spawn();
    let out = output.wait().ok();
    assert_eq!(out.stdout, "", "nothing runs before start");
    case.verb(&["start"]).output().ok();
    case.until_stopped();
    let logs = std::fs::read_dir(case.dir.join("output")).unwrap().flatten();
    let text: String = logs.map(|log| std::fs::read_to_string(log.path()).unwrap()).collect();
    assert!(text.contains("input\n") && text.contains("end\n"), "{text}");
    case.delete();
}

#[test]
fn create_refuses_an_id_in_use() {
    let Some(case) = Case::root() else { return };
    let bundle = waiting(&case);
    case.create(&bundle).output().ok();
    case.create(&bundle).output().refused(&["container with given ID already exists"]);
    case.run(&bundle).output().refused(&["container with given ID already exists"]);
    assert_eq!(case.status(), "created", "the first container isn't touched");
}

#[test]
fn start_is_for_created_containers_only() {
    let Some(case) = Case::root() else { return };
    let bundle = waiting(&case);
    case.verb(&["start"]).output().refused(&["container does not exist"]);
    case.detach(&bundle);
    case.verb(&["start"]).output().refused(&["cannot start an already running container"]);
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    case.verb(&["start"]).output().refused(&["cannot start a container that has stopped"]);
}

#[test]
fn start_says_why_a_vanished_program_cannot_run() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    std::fs::copy(bundle.inside("/bin/busybox"), bundle.inside("/bin/vanishing")).unwrap();
    bundle.args(&["/bin/vanishing", "true"]);
    case.create(&bundle).output().ok();
    std::fs::remove_file(bundle.inside("/bin/vanishing")).unwrap();
    case.verb(&["start"]).output().refused(&["/bin/vanishing", "no such file or directory"]);
    case.until_stopped();
    case.delete();
    case.assert_clean();
}

#[test]
fn every_verb_says_that_a_container_does_not_exist() {
    let Some(case) = Case::root() else { return };
    for verb in ["state", "start", "kill", "delete", "ps"] {
        case.refuses(case.verb(&[verb]), &["container does not exist"]);
    }
}

#[test]
fn delete_wants_a_stopped_container() {
    let Some(case) = Case::root() else { return };
    let bundle = waiting(&case);
    case.detach(&bundle);
    let words = format!("cannot delete container {} that is not stopped: running", case.id);
    case.verb(&["delete"]).output().refused(&[&words]);
    assert_eq!(case.status(), "running", "the refused delete changes nothing");
    case.delete_force();
    case.assert_clean();
}

#[test]
fn a_created_container_can_be_deleted() {
    let Some(case) = Case::root() else { return };
    let bundle = waiting(&case);
    case.create(&bundle).output().ok();
    case.delete();
    case.assert_clean();
    case.create(&bundle).output().ok();
    case.delete_force();
    case.assert_clean();
}

#[test]
fn forced_delete_of_nothing_succeeds() {
    let Some(case) = Case::root() else { return };
    let output = case.verb(&["delete", "--force"]).output().ok();
    assert_eq!(output.stderr, "");
    case.verb(&["delete", "-f"]).output().ok();
}

#[test]
fn forced_delete_takes_every_process() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    // Without a pid namespace nobody but the runtime ends the process's children.
    bundle.sh("for i in 1 2 3 4 5; do sleep 1000 & done; echo ready; wait");
    bundle.without_namespace("pid");
    case.detach(&bundle);
    wait::until("five children", || lines(&case, &["ps", "--format", "json"]).contains("sleep"));
    case.delete_force();
    case.assert_clean();
}

fn lines(case: &Case, words: &[&str]) -> String {
    let pids = case.verb(words).output().stdout();
    let pids: Vec<u32> = serde_json::from_str(&pids).unwrap();
    let name = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    pids.iter().map(name).collect()
}

#[test]
fn an_id_can_be_used_again() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("exit 3");
    for _ in 0..3 {
        case.run(&bundle).output().exits(3);
        case.detach(&bundle);
        case.until_stopped();
        case.delete();
    }
}

#[test]
fn two_containers_share_a_bundle() {
    let Some(case) = Case::root() else { return };
    let bundle = waiting(&case);
    case.detach(&bundle);
    let second = format!("{}-second", case.id);
    bundle.write();
    case.coble().args(["create", "-b"]).arg(&bundle.path).arg(&second).output().ok();
    case.delete_force();
    let state = case.coble().args(["state", &second]).output().stdout();
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!(state["status"], "created", "the other container lives on");
}

#[test]
fn the_bundle_is_the_current_folder_by_default() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("echo here").write();
    let output = case.coble().args(["run", &case.id]).cwd(&bundle.path).output();
    assert_eq!(output.stdout(), "here\n");
    case.coble().args(["create", &case.id]).cwd(&bundle.path).output().ok();
    assert_eq!(case.state()["bundle"], bundle.path.to_str().unwrap());
}

#[test]
fn the_pid_file_names_the_process() {
    let Some(case) = Case::root() else { return };
    let bundle = waiting(&case);
    bundle.write();
    let file = case.dir.join("pid file");
    let create = case.coble().arg("create").arg("--pid-file").arg(&file);
    create.arg("--bundle").arg(&bundle.path).arg(&case.id).output().ok();
    let pid = std::fs::read_to_string(&file).unwrap();
    assert_eq!(pid, case.pid().to_string(), "the number alone, without an end of line");
    assert!(std::fs::exists(format!("/proc/{pid}")).unwrap());
}

#[test]
fn the_default_state_root_is_run_coble() {
    let Some(case) = Case::root() else { return };
    let bundle = waiting(&case);
    bundle.write();
    let name = coble_tests::name();
    case.bare().args(["create", "-b"]).arg(&bundle.path).arg(&case.id).output().ok();
    let state = std::path::Path::new("/run").join(name).join(&case.id);
    assert!(state.is_dir(), "{} isn't there", state.display());
    case.bare().args(["delete", &case.id]).output().ok();
    assert!(!state.exists(), "{} is still there", state.display());
}

#[test]
fn a_killed_creator_leaves_nothing_that_delete_cannot_remove() {
    let Some(case) = Case::root() else { return };
    let mut bundle = waiting(&case);
    let ready = case.dir.join("in-hook");
    bundle.hook("createRuntime", &format!("echo > {}; sleep 1000", ready.display()));
    let create = case.create(&bundle).spawn();
    wait::until("the hook to run", || ready.exists());
    create.signal(rustix::process::Signal::KILL);
    assert_eq!(create.wait().signal, Some(9));
    case.delete_force();
    kill_hook(&case);
    case.assert_clean();
}

/// The hook isn't a process of the container: it is nobody's any more.
fn kill_hook(case: &Case) {
    for process in coble_tests::leftovers::processes(&case.id) {
        assert!(process.contains("sleep 1000"), "left behind: {process}");
    }
    coble_tests::leftovers::kill_all(&case.id);
}

#[test]
fn a_program_that_runs_has_a_state() {
    let Some(case) = Case::root() else { return };
    let mut bundle = waiting(&case);
    // The larger the state, the later it is written: never after the program's first step.
    bundle.config["annotations"]["filler"] = "x".repeat(20 << 20).into();
    let mut run = case.run(&bundle).spawn();
    run.says("ready\n");
    assert_eq!(case.status(), "running");
    case.coble().args(["kill", &case.id, "TERM"]).output().ok();
    run.wait().exits(9);
}
