//! Cgroups that systemd makes in the hierarchies of cgroup v1. Skipped where systemd is not process 1, or has cgroup v2 alone.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use coble_tests::{Bundle, Case, Cmd, skip, wait};
use serde_json::json;

/// systemctl(1) fails while systemd is executed anew, as the tests have it do: they take turns.
static SYSTEMD: Mutex<()> = Mutex::new(());

fn case() -> Option<Case> {
    if !Path::new("/run/systemd/system").is_dir() {
        skip("systemd is not process 1");
        return None;
    }
    if !Path::new("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists() {
        skip("needs the memory controller of cgroup v1");
        return None;
    }
    Case::root()
}

fn coble(case: &Case) -> Cmd {
    case.bare().args(["--systemd-cgroup", "--root"]).arg(case.state_root())
}

fn staying(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.args(&["sleep", "1000"]);
    bundle
}

fn detach(case: &Case, bundle: &Bundle) {
    bundle.write();
    let run = coble(case).args(["run", "--detach", "--bundle"]).arg(&bundle.path).arg(&case.id);
    run.output().ok();
}

fn scope(case: &Case) -> String {
    format!("coble-{}.scope", case.id)
}

fn directory(case: &Case, controller: &str) -> PathBuf {
    Path::new("/sys/fs/cgroup").join(controller).join("system.slice").join(scope(case))
}

fn file(case: &Case, controller: &str, name: &str) -> String {
    let path = directory(case, controller).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn show(case: &Case, property: &str) -> String {
    let unit = scope(case);
    let show =
        case.tool("systemctl").args(["show", "--value", "--property", property, "--", &unit]);
    show.output().stdout().trim_end().to_owned()
}

/// Where a process is, without the hierarchies that are mounted nowhere.
fn memberships(pid: u64) -> Vec<(String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let line = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1).map(str::to_owned);
        (fields.next().unwrap(), fields.next().unwrap())
    };
    let all = text.lines().map(line);
    let is_mounted = |(name, _): &(String, String)| match name.as_str() {
        "" => Path::new("/sys/fs/cgroup/unified").exists(),
        name => Path::new("/sys/fs/cgroup").join(name.trim_start_matches("name=")).exists(),
    };
    all.filter(is_mounted).collect()
}

#[track_caller]
fn is_gone(case: &Case) {
    assert_eq!(show(case, "LoadState"), "not-found");
    case.assert_clean();
}

#[test]
fn limits_are_properties_and_files() {
    let _alone = SYSTEMD.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(case) = case() else { return };
    let mut bundle = staying(&case);
    bundle.config["linux"]["resources"] = json!({
        "memory": {"limit": 67_108_864},
        "cpu": {"shares": 512, "quota": 12_345, "period": 100_000, "cpus": "0", "mems": "0"},
        "pids": {"limit": 33},
        "devices": [{"allow": false, "access": "rwm"}],
    });
    detach(&case, &bundle);
    let place = format!("/system.slice/{}", scope(&case));
    for (controller, path) in memberships(case.pid()) {
        assert_eq!(path, place, "{controller:?}");
    }
    for (controller, name, text) in [
        ("memory", "memory.limit_in_bytes", "67108864\n"),
        ("cpu", "cpu.shares", "512\n"),
        ("cpu", "cpu.cfs_quota_us", "13000\n"),
        ("cpuset", "cpuset.cpus", "0\n"),
        ("pids", "pids.max", "33\n"),
    ] {
        assert_eq!(file(&case, controller, name), text, "{name}");
    }
    for (property, value) in [
        ("MemoryLimit", "67108864"),
        ("CPUShares", "512"),
        ("CPUQuotaPerSecUSec", "130ms"),
        ("TasksMax", "33"),
        ("DevicePolicy", "strict"),
        ("Delegate", "yes"),
    ] {
        assert_eq!(show(&case, property), value, "{property}");
    }
    case.verb(&["update", "--pids-limit", "21", "--memory", "33554432"]).output().ok();
    case.exec_with(&["--detach"], &["sleep", "1000"]).output().ok();
    case.verb(&["pause"]).output().ok();
    assert_eq!(case.status(), "paused");
    case.verb(&["resume"]).output().ok();
    case.tool("systemctl").arg("daemon-reload").output().ok();
    assert_eq!(file(&case, "pids", "cgroup.procs").lines().count(), 2);
    assert_eq!(file(&case, "pids", "pids.max"), "21\n");
    assert_eq!(file(&case, "memory", "memory.limit_in_bytes"), "33554432\n");
    assert_eq!(show(&case, "TasksMax"), "21");
    // systemd keeps the share of a processor: the quota in force goes with a new period.
    case.verb(&["update", "--cpu-period", "30000"]).output().ok();
    for command in ["show", "daemon-reload"] {
        case.tool("systemctl").arg(command).output().ok();
        assert_eq!(file(&case, "cpu", "cpu.cfs_quota_us"), "13200\n", "{command}");
        assert_eq!(file(&case, "cpu", "cpu.cfs_period_us"), "30000\n", "{command}");
    }
    assert_eq!(show(&case, "CPUQuotaPerSecUSec"), "440ms");
    case.delete_force();
    is_gone(&case);
}

/// Opens a device that is always allowed, and one that never is (a loop device, which anybody could open).
const PROBES: &str = "mknod /tmp/denied b 7 0; mknod /tmp/given c 1 5; echo ready; \
    while [ ! -e /tmp/end ]; do \
    head -c 1 /tmp/given >/dev/null 2>&1 || echo lost; \
    head -c 1 /tmp/denied >/dev/null 2>&1 && echo wide; \
    done; echo end";

/// At no moment of an update may a process do more than before and after, nor less.
#[test]
fn device_rules_are_replaced_unseen() {
    let _alone = SYSTEMD.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(case) = case() else { return };
    let mut bundle = staying(&case);
    bundle.writable().mount("tmpfs", "tmpfs", "/tmp", &["dev"]);
    let capabilities = json!(["CAP_MKNOD", "CAP_KILL"]);
    for set in ["bounding", "effective", "permitted"] {
        bundle.config["process"]["capabilities"][set] = capabilities.clone();
    }
    let rules = |minor: u32| {
        json!([
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 1, "minor": minor, "access": "r"},
        ])
    };
    bundle.config["linux"]["resources"] = json!({"devices": rules(2)});
    detach(&case, &bundle);
    let probe = case.exec(&["sh", "-c", PROBES]).spawn();
    wait::until("the probe", || probe.stdout().contains("ready"));
    for minor in [4, 6, 4, 6, 4, 6] {
        let text = json!({"devices": rules(minor)}).to_string();
        let resources = case.file("resources.json", &text);
        coble(&case).args(["update", "--resources"]).arg(resources).arg(&case.id).output().ok();
        let list = file(&case, "devices", "devices.list");
        assert!(list.contains(&format!("c 1:{minor} r\n")), "{list}");
        assert_eq!(list.lines().filter(|line| line.ends_with(" r")).count(), 1, "{list}");
        assert!(!list.contains("b 7:0 "), "{list}");
    }
    case.exec(&["touch", "/tmp/end"]).output().ok();
    let said = probe.wait().stdout();
    assert_eq!(said, "ready\nend\n");
    let open = ["head", "-c", "1", "/tmp/denied"];
    case.exec(&open).output().fails(1, &["Operation not permitted"]);
    let before = file(&case, "devices", "devices.list");
    for command in ["daemon-reload", "daemon-reexec"] {
        case.tool("systemctl").arg(command).output().ok();
        let mut lists = [before.clone(), file(&case, "devices", "devices.list")]
            .map(|list| list.lines().map(str::to_owned).collect::<Vec<_>>());
        lists.iter_mut().for_each(|list| list.sort());
        assert_eq!(lists[0], lists[1], "after {command}");
    }
    // Rules that allow it are what it takes.
    let all = json!({"devices": [{"allow": true, "access": "rwm"}]}).to_string();
    let resources = case.file("resources.json", &all);
    coble(&case).args(["update", "--resources"]).arg(resources).arg(&case.id).output().ok();
    case.exec(&open).output().ok();
    case.delete_force();
    is_gone(&case);
}
