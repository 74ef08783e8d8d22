//! A container of runc that systemd has the cgroup of.

use std::fs;
use std::path::{Path, PathBuf};

use coble_tests::{Case, skip};
use serde_json::json;

use crate::{has_runc, runc};

/// A container that runc has made with `--systemd-cgroup`; `None` where that can't be.
fn running() -> Option<Case> {
    if !has_runc() {
        return None;
    }
    let has_systemd = Path::new("/run/systemd/system").is_dir();
    if !has_systemd || !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        skip("needs systemd as process 1, and cgroup v2 alone");
        return None;
    }
    let case = Case::root()?;
    let mut bundle = case.bundle();
    bundle.sh("exec sleep 1000");
    bundle.config["linux"]["cgroupsPath"] = format!("system.slice:runc:{}", case.id).into();
    let limits = json!({"memory": {"limit": 67_108_864}, "pids": {"limit": 50}});
    bundle.config["linux"]["resources"] = limits;
    bundle.write();
    let run = runc(&case).args(["--systemd-cgroup", "run", "--detach", "--bundle"]);
    run.arg(&bundle.path).arg(&case.id).output().ok();
    Some(case)
}

fn unit(case: &Case) -> String {
    format!("runc-{}.scope", case.id)
}

fn directory(case: &Case) -> PathBuf {
    Path::new("/sys/fs/cgroup/system.slice").join(unit(case))
}

fn file(case: &Case, name: &str) -> String {
    fs::read_to_string(directory(case).join(name)).unwrap()
}

fn show(case: &Case, property: &str) -> String {
    let unit = unit(case);
    let show =
        case.tool("systemctl").args(["show", "--value", "--property", property, "--", &unit]);
    show.output().stdout().trim_end().to_owned()
}

#[test]
fn new_limits_stay_when_systemd_reads_its_units_anew() {
    let Some(case) = running() else { return };
    let list = case.coble().args(["list", "--quiet"]).output().stdout();
    assert_eq!(list.trim_end(), case.id);
    let own = case.exec(&["cat", "/proc/self/cgroup"]).output().stdout();
    assert!(own == "0::/\n" || own.ends_with(&format!("/{}\n", unit(&case))), "{own}");
    case.verb(&["pause"]).output().ok();
    assert_eq!(case.status(), "paused");
    case.verb(&["resume"]).output().ok();
    case.verb(&["update", "--memory", "33554432", "--pids-limit", "77"]).output().ok();
    for _ in 0..2 {
        assert_eq!(file(&case, "memory.max"), "33554432\n");
        assert_eq!(file(&case, "pids.max"), "77\n");
        assert_eq!(show(&case, "MemoryMax"), "33554432");
        assert_eq!(show(&case, "TasksMax"), "77");
        case.tool("systemctl").arg("daemon-reload").output().ok();
    }
    case.delete_force();
    assert_eq!(show(&case, "LoadState"), "not-found");
    assert!(!directory(&case).exists());
    case.assert_clean();
}
