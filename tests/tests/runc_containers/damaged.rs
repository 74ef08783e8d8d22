//! A `state.json` that is broken, or that somebody has made up.

use std::fs;
use std::os::unix::fs::chown;

use coble_tests::Case;
use serde_json::{Value, json};

use crate::{recorded, root, running};

/// Replaces the record by `text`. The container itself goes on.
fn write(case: &Case, text: &str) {
    fs::write(case.state_root().join(&case.id).join("state.json"), text).unwrap();
}

/// Every verb refuses the record in one line and does nothing.
fn refused(case: &Case, text: &str, words: &[&str]) {
    let whole = recorded(case);
    write(case, text);
    let verbs: [&[&str]; 5] =
        [&["state"], &["start"], &["ps"], &["delete"], &["delete", "--force"]];
    for verb in verbs {
        case.verb(verb).output().fails(1, words);
    }
    case.coble().args(["kill", &case.id, "KILL"]).output().fails(1, words);
    case.exec(&["true"]).output().fails(255, words);
    let list = case.coble().arg("list").output().ok();
    assert!(list.stderr.contains(&case.id) && list.stderr.lines().count() == 1, "{list}");
    write(case, &whole);
    assert_eq!(case.status(), "running");
}

#[test]
fn what_can_not_be_understood_is_named() {
    let Some(case) = root() else { return };
    running(&case);
    let whole = recorded(&case);
    refused(&case, &whole[..whole.len() / 2], &["state.json: broken JSON at line 1 column"]);
    refused(&case, "", &["state.json: broken JSON"]);
    let state: Value = serde_json::from_str(&whole).unwrap();
    let changed = |pointer: &str, value: Value| {
        let mut state = state.clone();
        *state.pointer_mut(pointer).unwrap() = value;
        state.to_string()
    };
    let cases = [
        ("/init_process_pid", json!("1"), "state.json: /init_process_pid: invalid type"),
        ("/init_process_pid", json!(0), "state.json: /init_process_pid: 0 is no process"),
        ("/init_process_pid", json!(-1), "state.json: /init_process_pid: -1 is no process"),
        ("/init_process_start", json!(-1), "state.json: /init_process_start: invalid value"),
        ("/id", json!("other"), "state.json: /id: \"other\" is another container"),
        ("/config", json!([]), "state.json: /config: invalid"),
        (
            "/config/namespaces/0/type",
            json!("MOON\n"),
            "/config/namespaces/0/type: \"MOON\\n\" is unknown",
        ),
        ("/config/labels", json!([7]), "state.json: /config/labels/0: invalid type"),
        (
            "/cgroup_paths",
            json!({"pids": "/etc"}),
            "state.json: /cgroup_paths: cannot understand /etc: no cgroup of pids is there",
        ),
        ("/cgroup_paths", json!({"": "/sys/fs/cgroup/../../../etc"}), "state.json: /cgroup_paths"),
        ("/cgroup_paths", json!({"pids\n": "/x\n"}), "state.json: /cgroup_paths"),
    ];
    for (pointer, value, words) in cases {
        refused(&case, &changed(pointer, value), &[words]);
    }
}

#[test]
fn what_is_no_file_keeps_nobody_waiting() {
    let Some(case) = root() else { return };
    running(&case);
    let path = case.state_root().join(&case.id).join("state.json");
    let kept = case.dir.join("kept");
    fs::rename(&path, &kept).unwrap();
    let refused = || {
        case.verb(&["state"]).output().fails(1, &["state.json"]);
        case.verb(&["delete", "--force"]).output().fails(1, &["state.json"]);
    };
    case.tool("mkfifo").arg(&path).output().ok();
    refused();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused();
    fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink(&kept, &path).unwrap();
    refused();
    fs::rename(&kept, &path).unwrap();
    assert_eq!(case.status(), "running");
}

#[test]
fn a_process_that_has_the_number_now_is_left_alone() {
    let Some(case) = root() else { return };
    running(&case);
    let whole = recorded(&case);
    let mut state: Value = serde_json::from_str(&whole).unwrap();
    let start = state["init_process_start"].as_u64().unwrap();
    state["init_process_start"] = (start + 1).into();
    write(&case, &state.to_string());
    assert_eq!((case.status(), case.state()["pid"].as_u64()), ("stopped".to_owned(), Some(0)));
    case.coble().args(["kill", &case.id, "KILL"]).output().fails(1, &["container not running"]);
    write(&case, &whole);
    assert_eq!(case.status(), "running");
}

#[test]
fn somebody_elses_directory_is_refused() {
    let Some(case) = root() else { return };
    running(&case);
    let directory = case.state_root().join(&case.id);
    chown(&directory, Some(12345), Some(12345)).unwrap();
    for verb in ["state", "start", "delete"] {
        case.verb(&[verb]).output().fails(1, &["belongs to user 12345, not to the caller"]);
    }
    chown(&directory, Some(0), Some(0)).unwrap();
    assert_eq!(case.status(), "running");
}

#[test]
fn what_a_killed_runc_leaves_is_deleted_by_force() {
    let Some(case) = root() else { return };
    let directory = case.state_root().join(&case.id);
    fs::create_dir(&directory).unwrap();
    let fifo = directory.join("exec.fifo");
    case.tool("mkfifo").arg(&fifo).output().ok();
    case.verb(&["state"]).output().fails(1, &["container does not exist"]);
    case.verb(&["delete"]).output().fails(1, &["container does not exist"]);
    case.delete_force();
    case.assert_clean();
}
