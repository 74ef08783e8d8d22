//! Every state of a container's life.

use std::fs;
use std::os::unix::fs::symlink;

use coble_tests::{Case, wait};
use serde_json::Value;

use crate::{make, recorded, root, runc, running, state, verb};

#[test]
fn state_and_list_say_what_runc_says() {
    let Some(case) = root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    bundle.config["annotations"]["org.example.key"] = "a=value".into();
    make(&case, &["run", "--detach"], &bundle).output().ok();
    assert_eq!(case.state(), state(&case));
    assert_eq!(case.state()["annotations"]["org.example.key"], "a=value");
    let json = |list: String| serde_json::from_str::<Value>(&list).unwrap();
    let list = ["list", "--format", "json"];
    let of_runc = json(runc(&case).args(list).output().stdout());
    assert_eq!(json(case.coble().args(list).output().stdout()), of_runc);
    let ps = ["ps", "--format", "json", &case.id];
    let of_runc = json(runc(&case).args(ps).output().stdout());
    assert_eq!(json(case.coble().args(ps).output().stdout()), of_runc);
    assert_eq!(of_runc, json(format!("[{}]", case.pid())));
}

#[test]
fn both_kinds_stand_in_one_list() {
    let Some(case) = root() else { return };
    let bundle = running(&case);
    let own = format!("{}-own", case.id);
    case.coble().args(["run", "--detach", "-b"]).arg(&bundle.path).arg(&own).output().ok();
    let said = case.coble().args(["list", "-q"]).output().stdout();
    assert_eq!(said, format!("{}\n{own}\n", case.id));
    let again = case.run_with(&bundle, &["--detach"]).output();
    again.fails(1, &["container with given ID already exists"]);
}

#[test]
fn a_signal_reaches_the_process_and_delete_removes_the_rest() {
    let Some(case) = root() else { return };
    let mut bundle = case.bundle();
    bundle.writable().sh("trap 'echo usr1 > /tmp/log' USR1; echo > /tmp/ready; \
         while :; do sleep 0.02; done");
    make(&case, &["run", "--detach"], &bundle).output().ok();
    wait::until("the trap", || bundle.inside("/tmp/ready").exists());
    case.coble().args(["kill", &case.id, "USR1"]).output().ok();
    wait::until("the signal", || bundle.inside("/tmp/log").exists());
    let output = case.verb(&["delete"]).output();
    output.fails(1, &["cannot delete container", "that is not stopped: running"]);
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    assert_eq!(case.state(), state(&case));
    case.coble().args(["kill", &case.id, "KILL"]).output().fails(1, &["container not running"]);
    case.exec(&["true"]).output().fails(255, &["cannot exec in a stopped container"]);
    case.delete();
    case.assert_clean();
    case.verb(&["state"]).output().fails(1, &["container does not exist"]);
}

#[test]
fn forced_delete_of_a_running_one() {
    let Some(case) = root() else { return };
    running(&case);
    case.delete_force();
    case.assert_clean();
}

#[test]
fn a_created_one_is_started_once() {
    let Some(case) = root() else { return };
    let mut bundle = case.bundle();
    bundle.writable().sh("echo > /tmp/ran; sleep 1000");
    let ran = case.dir.join("poststart");
    let line = format!("echo >> {}", ran.display());
    bundle.hook("poststart", &line).hook("startContainer", "echo hook > /tmp/hook");
    make(&case, &["create"], &bundle).output().ok();
    assert_eq!(case.status(), "created");
    assert_eq!(case.state(), state(&case));
    assert_eq!(case.exec(&["echo", "early"]).output().stdout(), "early\n");
    case.verb(&["start"]).output().ok();
    wait::until("the program", || bundle.inside("/tmp/ran").exists());
    assert!(bundle.inside("/tmp/hook").exists());
    assert_eq!((case.status(), state(&case)), ("running".to_owned(), case.state()));
    let again = case.verb(&["start"]).output();
    again.fails(1, &["cannot start an already running container"]);
    assert_eq!(fs::read_to_string(ran).unwrap(), "\n", "runc itself has run the hook, at create");
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    case.verb(&["start"]).output().fails(1, &["cannot start a container that has stopped"]);
}

#[test]
fn a_created_one_is_deleted() {
    let Some(case) = root() else { return };
    let bundle = case.bundle();
    make(&case, &["create"], &bundle).output().ok();
    case.delete();
    case.assert_clean();
}

#[test]
fn a_created_one_whose_process_was_killed_has_stopped() {
    let Some(case) = root() else { return };
    let bundle = case.bundle();
    make(&case, &["create"], &bundle).output().ok();
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    case.verb(&["start"]).output().fails(1, &["cannot start a container that has stopped"]);
    case.delete();
    case.assert_clean();
}

#[test]
fn a_paused_one_is_seen_and_ended() {
    let Some(case) = root() else { return };
    running(&case);
    verb(&case, &["pause"]).output().ok();
    assert_eq!(case.status(), "paused");
    assert_eq!(case.state(), state(&case));
    case.exec(&["true"]).output().fails(255, &["cannot exec in a paused container"]);
    case.verb(&["delete"]).output().fails(1, &["that is not stopped: paused"]);
    case.delete_force();
    case.assert_clean();
}

#[test]
fn poststop_hooks_run_with_the_state() {
    let Some(case) = root() else { return };
    let mut bundle = case.bundle();
    let told = case.dir.join("told");
    bundle.hook("poststop", &format!("cat > {}", told.display()));
    bundle.hook("poststop", "echo words; exit 3").hook("poststop", "exec sleep 1000");
    bundle.config["hooks"]["poststop"][2]["timeout"] = 1.into();
    bundle.config["annotations"]["org.example.key"] = "value".into();
    make(&case, &["run", "--detach"], &bundle).output().ok();
    case.until_stopped();
    let output = case.verb(&["delete"]).output().ok();
    let warnings = output.stderr;
    assert_eq!(warnings.lines().count(), 2, "{warnings}");
    assert!(warnings.contains("poststop hook #1") && warnings.contains("exit status 3"));
    assert!(warnings.contains("still running after 1 s"), "{warnings}");
    let told: Value = serde_json::from_slice(&fs::read(told).unwrap()).unwrap();
    assert_eq!((&told["id"], &told["status"]), (&case.id.as_str().into(), &"stopped".into()));
    assert_eq!(told["annotations"]["org.example.key"], "value");
    assert_eq!(told["bundle"], bundle.path.to_str().unwrap());
    case.assert_clean();
}

#[test]
fn delete_needs_no_bundle() {
    let Some(case) = root() else { return };
    let bundle = running(&case);
    fs::remove_file(bundle.path.join("config.json")).unwrap();
    assert_eq!(case.status(), "running");
    let output = case.exec(&["true"]).output();
    output.fails(255, &["read ", "config.json: no such file or directory"]);
    case.delete_force();
    case.assert_clean();
}

#[test]
fn what_else_runc_keeps_in_the_directory_goes_too() {
    let Some(case) = root() else { return };
    running(&case);
    let directory = case.state_root().join(&case.id);
    fs::create_dir(directory.join("notify")).unwrap();
    case.tool("mkfifo").arg(directory.join("notify/notify.sock")).output().ok();
    let elsewhere = case.file("elsewhere", "");
    symlink(case.folder("kept"), directory.join("link")).unwrap();
    symlink(&elsewhere, directory.join("checkpoint")).unwrap();
    case.delete_force();
    case.assert_clean();
    assert!(elsewhere.exists() && case.dir.join("kept").exists());
}

/// What runc works with afterwards.
fn runc_goes_on(case: &Case, before: &str) {
    assert_eq!(recorded(case), before);
    assert_eq!(verb(case, &["exec"]).args(["echo", "again"]).output().stdout(), "again\n");
    verb(case, &["pause"]).output().ok();
    verb(case, &["resume"]).output().ok();
    runc(case).args(["kill", &case.id, "KILL"]).output().ok();
    wait::until("the end", || state(case)["status"] == "stopped");
    verb(case, &["delete"]).output().ok();
    case.assert_clean();
}

#[test]
fn runc_goes_on_after_coble() {
    let Some(case) = root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("trap : USR1; while :; do sleep 0.02; done");
    make(&case, &["create"], &bundle).output().ok();
    let before = recorded(&case);
    case.verb(&["start"]).output().ok();
    wait::until("the program", || !case.exec(&["pidof", "sleep"]).output().stdout.is_empty());
    case.coble().args(["kill", &case.id, "USR1"]).output().ok();
    runc_goes_on(&case, &before);
}

/// Pauses and resumes a container that has `status`, which it has again then.
fn pause_and_resume(case: &Case, status: &str) {
    let before = recorded(case);
    case.verb(&["pause"]).output().ok();
    assert_eq!((case.status().as_str(), &state(case)["status"]), ("paused", &"paused".into()));
    case.verb(&["pause"]).output().fails(1, &["container not running"]);
    case.verb(&["start"]).output().fails(1, &["cannot start a container in the paused state"]);
    case.verb(&["resume"]).output().ok();
    assert_eq!((case.status().as_str(), &state(case)["status"]), (status, &status.into()));
    case.verb(&["resume"]).output().fails(1, &["container not paused"]);
    assert_eq!(recorded(case), before);
}

#[test]
fn pause_and_resume_of_a_running_one() {
    let Some(case) = root() else { return };
    running(&case);
    pause_and_resume(&case, "running");
    case.verb(&["pause"]).output().ok();
    verb(&case, &["resume"]).output().ok();
    assert_eq!(case.exec(&["echo", "goes on"]).output().stdout(), "goes on\n");
}

#[test]
fn pause_and_resume_of_a_created_one() {
    let Some(case) = root() else { return };
    let mut bundle = case.bundle();
    bundle.writable().sh("echo > /tmp/ran; sleep 1000");
    make(&case, &["create"], &bundle).output().ok();
    pause_and_resume(&case, "created");
    case.verb(&["start"]).output().ok();
    wait::until("the program", || bundle.inside("/tmp/ran").exists());
}
