//! `list` and `ps`.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Case, leftovers, wait};
use serde_json::Value;

#[test]
fn list_shows_every_container() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("while :; do sleep 1; done");
    case.detach(&bundle);
    let second = format!("{}-second", case.id);
    bundle.write();
    case.coble().args(["create", "-b"]).arg(&bundle.path).arg(&second).output().ok();

    let table = case.coble().arg("list").output().stdout();
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    assert_eq!(rows.len(), 3, "{table}");
    let path = bundle.path.to_str().unwrap();
    let pid = case.pid().to_string();
    let state = case.state();
    let created = state["created"].as_str().unwrap();
    assert_eq!(rows[1], [&case.id, &pid, "running", path, created, "root"], "{table}");
    assert_eq!((rows[2][0], rows[2][2]), (second.as_str(), "created"), "{table}");

    let json = case.coble().args(["list", "--format", "json"]).output().stdout();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["id"], case.id.as_str());
    assert_eq!(json[0]["pid"], case.pid());
    assert_eq!(json[0]["bundle"], path);
    assert_eq!(json[0]["owner"], "root");
    assert_eq!(json[1]["status"], "created");

    let quiet = case.coble().args(["list", "-q"]).output().stdout();
    assert_eq!(quiet, format!("{}\n{second}\n", case.id));
}

#[test]
fn list_of_nothing_is_a_head_without_rows() {
    let Some(case) = Case::root() else { return };
    let table = case.coble().arg("list").output().stdout();
    assert_eq!(table.lines().count(), 1, "{table}");
    assert_eq!(case.coble().args(["list", "-q"]).output().stdout(), "");
}

#[test]
fn list_refuses_an_unknown_format() {
    let Some(case) = Case::root() else { return };
    case.refuses(case.coble().args(["list", "--format", "yaml"]), &["format"]);
}

#[test]
fn list_wants_a_root_that_is_there() {
    let Some(case) = Case::root() else { return };
    let missing = case.dir.join("missing");
    let list = case.bare().arg("--root").arg(&missing).arg("list");
    case.refuses(list, &["missing"]);
    assert!(!missing.exists(), "looking makes nothing");
}

#[test]
fn list_passes_over_what_it_cannot_read_and_says_so() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    case.create(&bundle).output().ok();
    let broken = case.folder("state/broken");
    fs::write(broken.join("state.json"), "{").unwrap();
    let output = case.coble().args(["list", "-q"]).output().ok();
    assert_eq!(output.stdout, format!("{}\n", case.id));
    assert!(output.stderr.contains("broken"), "{output}");
    fs::remove_dir_all(broken).unwrap();
}

#[test]
fn ps_shows_the_containers_processes_alone() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000 & sleep 1000 & wait");
    case.detach(&bundle);
    let pids = || -> Vec<u64> {
        let json = case.verb(&["ps", "--format", "json"]).output().stdout();
        serde_json::from_str(&json).unwrap()
    };
    wait::until("three processes", || pids().len() == 3);
    assert!(pids().contains(&case.pid()));

    let table = case.verb(&["ps"]).output().stdout();
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[0].contains("PID"), "{table}");
    assert_eq!(rows.len(), 4, "{table}");
    assert_eq!(rows.iter().filter(|row| row.contains("sleep 1000")).count(), 3, "{table}");
}

#[test]
fn ps_shows_processes_in_cgroups_below_the_containers() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    bundle.sh("sleep 1000 & wait");
    case.detach(&bundle);
    let pids = || -> Vec<u64> {
        let json = case.verb(&["ps", "--format", "json"]).output().stdout();
        serde_json::from_str(&json).unwrap()
    };
    wait::until("the child", || pids().len() == 2);
    let before = pids();
    let child = *before.iter().find(|&&pid| pid != case.pid()).unwrap();
    for dir in leftovers::cgroups(&case.id) {
        let below = dir.join("below");
        // Of v1's hierarchies, that of cpusets takes no process before it has some.
        let is_moved = fs::create_dir(&below)
            .and_then(|()| fs::write(below.join("cgroup.procs"), child.to_string()));
        assert!(is_moved.is_ok() || dir.to_string_lossy().contains("cpuset"), "{is_moved:?}");
    }
    let mut after = pids();
    after.sort_unstable();
    let mut expected = before;
    expected.sort_unstable();
    assert_eq!(after, expected);
}

#[test]
fn ps_of_a_stopped_container_is_empty() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    case.detach(&bundle);
    case.until_stopped();
    let json = case.verb(&["ps", "--format", "json"]).output().stdout();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json.is_null() || json.as_array().is_some_and(Vec::is_empty), "{json}");
}

/// The members of runc's `containerState`, and no others.
#[test]
fn the_json_of_list_has_the_members_that_runcs_has() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["annotations"] = serde_json::json!({"org.example": "words"});
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let json = case.coble().args(["list", "-f", "json"]).output().stdout();
    let json: Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!([{
        "ociVersion": case.state()["ociVersion"],
        "id": case.id,
        "pid": case.pid(),
        "status": "running",
        "bundle": bundle.path,
        "rootfs": bundle.rootfs(),
        "created": case.state()["created"],
        "annotations": {"org.example": "words"},
        "owner": "root",
    }]);
    assert_eq!(json, expected);
}

#[test]
fn ps_takes_the_options_of_ps() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000 & wait");
    case.detach(&bundle);
    let ps = |options: &[&str]| case.verb(&["ps"]).args(options).output();
    wait::until("two processes", || ps(&[]).stdout().lines().count() == 3);
    let table = ps(&["-e", "-o", "comm,pid,ppid"]).stdout();
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["COMMAND", "PID", "PPID"]);
    let pid = case.pid().to_string();
    let sleeps = |row: &Vec<&str>| row[0] == "sleep" && row[2] == pid;
    assert_eq!(rows.len(), 3, "{table}");
    assert!(rows.iter().any(|row| row[..2] == ["sh", pid.as_str()]), "{table}");
    assert!(rows.iter().any(sleeps), "{table}");
    let table = ps(&["aux"]).stdout();
    assert!(table.starts_with("USER ") && table.lines().count() == 3, "{table}");
    ps(&["-e", "-o", "comm"]).refused(&["couldn't find PID field in ps output"]);
    ps(&["--no-such-option"]).refused(&["ps(1)"]);
}
