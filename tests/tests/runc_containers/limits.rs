//! New limits for a container of runc, which runc finds afterwards.

use std::fs;
use std::path::Path;

use coble_tests::{Case, skip, wait};
use serde_json::{Value, json};

use crate::{make, recorded, root, runc, verb};

/// What a file of the container's cgroup says.
fn value(case: &Case, controller: &str, file: &str) -> String {
    let path = Path::new("/sys/fs/cgroup").join(controller).join(&case.id).join(file);
    fs::read_to_string(path).unwrap().trim_end().to_owned()
}

fn limits(case: &Case) -> Value {
    let state: Value = serde_json::from_str(&recorded(case)).unwrap();
    state["config"]["cgroups"].clone()
}

fn update(case: &Case, flags: &[&str]) {
    case.coble().arg("update").args(flags).arg(&case.id).output().ok();
}

/// A container with limits of its own; `None` where there are none to look at.
fn limited() -> Option<Case> {
    let case = root()?;
    if !Path::new("/sys/fs/cgroup/pids/tasks").exists() {
        skip("the controllers are not mounted as cgroup v1");
        return None;
    }
    let mut bundle = case.bundle();
    bundle.sh("exec sleep 1000");
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    bundle.config["linux"]["resources"] = json!({
        "memory": { "limit": 67_108_864, "swap": 134_217_728 }, "pids": { "limit": 50 },
        "cpu": { "shares": 512 }, "devices": [{ "allow": false, "access": "rwm" }]
    });
    make(&case, &["run", "--detach"], &bundle).output().ok();
    // `runc run` returns while its own threads may not have given way to the program yet.
    wait::until("the program alone", || value(&case, "pids", "pids.current") == "1");
    Some(case)
}

#[test]
fn new_limits_are_in_force_and_recorded() {
    let Some(case) = limited() else { return };
    let before: Value = serde_json::from_str(&recorded(&case)).unwrap();
    update(&case, &["--pids-limit", "77", "--memory", "32m", "--cpu-quota", "50000"]);
    assert_eq!(value(&case, "pids", "pids.max"), "77");
    assert_eq!(value(&case, "memory", "memory.limit_in_bytes"), "33554432");
    assert_eq!(value(&case, "memory", "memory.memsw.limit_in_bytes"), "134217728");
    assert_eq!(value(&case, "cpu", "cpu.shares"), "512");
    let mut expected = before;
    let noted = &mut expected["config"]["cgroups"];
    noted["pids_limit"] = 77.into();
    noted["memory"] = 33_554_432.into();
    noted["cpu_quota"] = 50_000.into();
    assert_eq!(serde_json::from_str::<Value>(&recorded(&case)).unwrap(), expected);
}

#[test]
fn events_tell_what_runc_tells() {
    let Some(case) = limited() else { return };
    let events = ["events", "--stats", &case.id];
    let said = |text: String| serde_json::from_str::<Value>(&text).unwrap()["data"].clone();
    let (ours, theirs) = (
        said(case.coble().args(events).output().stdout()),
        said(runc(&case).args(events).output().stdout()),
    );
    assert_eq!(ours["pids"], theirs["pids"]);
    assert_eq!(ours["memory"]["usage"]["limit"], theirs["memory"]["usage"]["limit"]);
    assert_eq!(ours["memory"]["usage"]["limit"], 67_108_864);
}

#[test]
fn runc_changes_limits_again_and_keeps_those_of_coble() {
    let Some(case) = limited() else { return };
    update(&case, &["--cpu-period", "50000", "--cpu-quota", "25000"]);
    verb(&case, &["update", "--cpu-quota", "30000"]).output().ok();
    assert_eq!(value(&case, "cpu", "cpu.cfs_quota_us"), "30000");
    assert_eq!(value(&case, "cpu", "cpu.cfs_period_us"), "50000");
    assert_eq!(limits(&case)["cpu_period"], 50_000);
    assert_eq!(verb(&case, &["exec"]).args(["echo", "again"]).output().stdout(), "again\n");
    update(&case, &["--pids-limit", "60"]);
    assert_eq!(value(&case, "pids", "pids.max"), "60");
    case.delete_force();
    case.assert_clean();
}

#[test]
fn device_rules_of_the_container_are_no_change_and_others_are_refused() {
    let Some(case) = limited() else { return };
    let before = recorded(&case);
    let list = value(&case, "devices", "devices.list");
    let update = |rules: Value| {
        let text = json!({ "devices": rules }).to_string();
        case.coble().args(["update", "-r", "-", &case.id]).stdin(text.as_bytes()).output()
    };
    update(json!([{ "allow": false, "access": "rwm" }])).ok();
    let other = json!([{ "allow": true, "access": "rwm" }]);
    update(other).fails(1, &["/devices: the rules of a container of runc can't be changed"]);
    assert_eq!(value(&case, "devices", "devices.list"), list);
    let whole = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(whole(&recorded(&case)), whole(&before));
}

#[test]
fn a_limit_that_is_refused_changes_nothing() {
    let Some(case) = limited() else { return };
    let before = recorded(&case);
    let flags = ["--pids-limit", "70", "--cpuset-cpus", "99999"];
    let update = case.coble().arg("update").args(flags).arg(&case.id).output();
    update.fails(1, &["cpuset"]);
    assert_eq!(value(&case, "pids", "pids.max"), "50");
    assert_eq!(recorded(&case), before);
}
