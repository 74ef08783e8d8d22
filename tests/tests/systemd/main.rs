//! Cgroups that systemd makes. Skipped where systemd is not process 1.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod anew;
mod below;
mod killed;
mod messages;

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use coble_tests::{Bundle, Case, Cmd, skip, wait};
use serde_json::json;

/// A systemd that reads its units anew, or is executed anew, answers nobody for a while: systemctl(1) fails then. So
/// whoever has it do that is alone.
static SYSTEMD: RwLock<()> = RwLock::new(());

/// A case while systemd is not executed anew.
struct Calm {
    case: Case,
    _calm: RwLockReadGuard<'static, ()>,
}

impl Deref for Calm {
    type Target = Case;

    fn deref(&self) -> &Case {
        &self.case
    }
}

/// A case beside others.
fn case() -> Option<Calm> {
    let calm = SYSTEMD.read().unwrap_or_else(PoisonError::into_inner);
    Some(Calm { case: any_case()?, _calm: calm })
}

/// A case on a machine that systemd runs, with cgroup v2.
fn any_case() -> Option<Case> {
    if !Path::new("/run/systemd/system").is_dir() {
        skip("systemd is not process 1");
        return None;
    }
    if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        skip("needs cgroup v2 alone");
        return None;
    }
    Case::root()
}

fn coble(case: &Case) -> Cmd {
    case.bare().args(["--systemd-cgroup", "--root"]).arg(case.state_root())
}

/// `VERB --bundle BUNDLE ID`.
fn make(case: &Case, verb: &[&str], bundle: &Bundle, id: &str) -> Cmd {
    bundle.write();
    coble(case).args(verb).arg("--bundle").arg(&bundle.path).arg(id)
}

/// A bundle whose program stays.
fn staying(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.args(&["sleep", "1000"]);
    bundle
}

fn detach(case: &Case, bundle: &Bundle) {
    make(case, &["run", "--detach"], bundle, &case.id).output().ok();
}

fn scope(case: &Case) -> String {
    format!("coble-{}.scope", case.id)
}

fn directory(unit: &str) -> PathBuf {
    Path::new("/sys/fs/cgroup/system.slice").join(unit)
}

fn file(case: &Case, name: &str) -> String {
    let path = directory(&scope(case)).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn show(case: &Case, unit: &str, property: &str) -> String {
    let show = case.tool("systemctl").args(["show", "--value", "--property", property, "--", unit]);
    show.output().stdout().trim_end().to_owned()
}

#[track_caller]
fn is_gone(case: &Case, unit: &str) {
    assert_eq!(show(case, unit, "LoadState"), "not-found");
    assert!(!directory(unit).exists(), "{unit} has a cgroup");
}

#[test]
fn limits_are_properties_and_files() {
    let Some(case) = case() else { return };
    let mut bundle = staying(&case);
    bundle.config["linux"]["resources"] = json!({
        "memory": {"limit": 67_108_864, "swap": 100_663_296, "reservation": 33_554_432},
        "cpu": {"shares": 512, "quota": 12_345, "cpus": "0", "mems": "0"},
        "pids": {"limit": 33},
        "blockIO": {"weight": 100},
        "unified": {"memory.high": "60M", "memory.oom.group": "1"},
        "devices": [{"allow": false, "access": "rwm"}],
    });
    detach(&case, &bundle);
    // Which file takes the weight.
    let has_bfq = directory(&scope(&case)).join("io.bfq.weight").exists();
    for (name, text) in [
        ("memory.max", "67108864\n"),
        ("memory.swap.max", "33554432\n"),
        ("memory.low", "33554432\n"),
        ("memory.high", "62914560\n"),
        ("memory.oom.group", "1\n"),
        ("cpu.weight", "59\n"),
        // In whole percents of a processor.
        ("cpu.max", "13000 100000\n"),
        ("cpuset.cpus", "0\n"),
        ("pids.max", "33\n"),
    ] {
        assert_eq!(file(&case, name), text, "{name}");
    }
    for (property, value) in [
        ("MemoryMax", "67108864"),
        ("MemorySwapMax", "33554432"),
        ("MemoryLow", "33554432"),
        ("MemoryHigh", "62914560"),
        ("CPUWeight", "59"),
        ("CPUQuotaPerSecUSec", "130ms"),
        ("AllowedCPUs", "0"),
        ("TasksMax", "33"),
        ("OOMPolicy", "kill"),
        ("IOWeight", if has_bfq { "100" } else { "910" }),
        ("Delegate", "yes"),
        ("CPUAccounting", "yes"),
        ("DefaultDependencies", "no"),
        ("Slice", "system.slice"),
        ("ActiveState", "active"),
    ] {
        assert_eq!(show(&case, &scope(&case), property), value, "{property}");
    }
    let inside = case.exec(&["cat", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/pids.max"]);
    assert_eq!(inside.output().stdout(), "67108864\n33\n");
    case.delete_force();
    is_gone(&case, &scope(&case));
}

#[test]
fn an_update_reaches_both() {
    let _alone = SYSTEMD.write().unwrap_or_else(PoisonError::into_inner);
    let Some(case) = any_case() else { return };
    let mut bundle = staying(&case);
    bundle.config["linux"]["resources"]["memory"] = json!({"limit": 67_108_864});
    detach(&case, &bundle);
    let flags = [
        "--memory",
        "33554432",
        "--pids-limit",
        "7",
        "--cpu-quota",
        "1001",
        "--cpu-period",
        "1000",
    ];
    let update = coble(&case).arg("update").args(flags).arg(&case.id);
    update.output().ok();
    let unit = scope(&case);
    for (name, text, property, value) in [
        ("memory.max", "33554432\n", "MemoryMax", "33554432"),
        ("pids.max", "7\n", "TasksMax", "7"),
        ("cpu.max", "1010 1000\n", "CPUQuotaPerSecUSec", "1.010000s"),
    ] {
        assert_eq!(file(&case, name), text, "{name}");
        assert_eq!(show(&case, &unit, property), value, "{property}");
    }
    // What the kernel refuses systemd is not told.
    let bad = ["update", "--pids-limit", "9", "--cpuset-cpus", "1000"];
    assert_ne!(case.verb(&bad).output().code, Some(0));
    assert_eq!(file(&case, "pids.max"), "7\n");
    assert_eq!(show(&case, &unit, "TasksMax"), "7");
    let rules = json!({"devices": [{"allow": true, "access": "rwm"}]}).to_string();
    let resources = case.file("resources.json", &rules);
    let update = coble(&case).args(["update", "--resources"]).arg(resources).arg(&case.id);
    update.output().ok();
    assert_eq!(show(&case, &unit, "DevicePolicy"), "auto");
    assert_eq!(show(&case, &unit, "DeviceAllow"), "");
    case.tool("systemctl").arg("daemon-reload").output().ok();
    assert_eq!(file(&case, "memory.max"), "33554432\n");
}

#[test]
fn processes_go_into_the_scope() {
    let Some(case) = case() else { return };
    let bundle = staying(&case);
    make(&case, &["create"], &bundle, &case.id).output().ok();
    let own = || {
        let text = fs::read_to_string(format!("/proc/{}/cgroup", case.pid())).unwrap();
        text.trim_end().to_owned()
    };
    let expected = format!("0::/system.slice/{}", scope(&case));
    assert_eq!(own(), expected);
    coble(&case).arg("start").arg(&case.id).output().ok();
    case.exec_with(&["--detach"], &["sleep", "1000"]).output().ok();
    assert_eq!(file(&case, "cgroup.procs").lines().count(), 2);
    case.verb(&["pause"]).output().ok();
    assert_eq!(case.status(), "paused");
    case.verb(&["resume"]).output().ok();
    assert_eq!(own(), expected);
    coble(&case).arg("kill").arg(&case.id).arg("KILL").output().ok();
    case.until_stopped();
    // An empty scope goes by itself.
    wait::until("the unit to go", || show(&case, &scope(&case), "LoadState") == "not-found");
    case.delete();
    is_gone(&case, &scope(&case));
}

/// The name of a unit that has ended is free at once.
#[test]
fn one_after_the_other_under_one_name() {
    let Some(case) = case() else { return };
    let mut bundle = case.bundle();
    bundle.config["linux"]["cgroupsPath"] = format!(":p:{}", case.id).into();
    for _ in 0..10 {
        make(&case, &["run"], &bundle, &case.id).output().ok();
    }
    is_gone(&case, &format!("p-{}.scope", case.id));
}

#[test]
fn annotations_are_properties() {
    let Some(case) = case() else { return };
    let mut bundle = staying(&case);
    bundle.config["annotations"] = json!({
        "org.systemd.property.TimeoutStopSec": "uint64 7",
        "org.systemd.property.Documentation": "['https://example.org/a', 'https://example.org/b']",
    });
    detach(&case, &bundle);
    assert_eq!(show(&case, &scope(&case), "TimeoutStopUSec"), "7s");
    let documentation = show(&case, &scope(&case), "Documentation");
    assert_eq!(documentation, "https://example.org/a https://example.org/b");
    case.delete_force();
    for (value, words) in [
        ("'never'", "systemd refuses: "),
        ("(1)", "/annotations/org.systemd.property.CollectMode: \"(1)\" is not a number"),
    ] {
        bundle.config["annotations"] = json!({"org.systemd.property.CollectMode": value});
        case.refuses(make(&case, &["create"], &bundle, &case.id), &[words]);
        is_gone(&case, &scope(&case));
    }
}

#[test]
fn units_in_slices() {
    let Some(case) = case() else { return };
    let mut bundle = staying(&case);
    let name = format!("s{}", std::process::id());
    let nested = format!("{name}-b.slice");
    bundle.config["linux"]["cgroupsPath"] = format!("{nested}:p:{}", case.id).into();
    bundle.config["linux"]["resources"]["pids"] = json!({"limit": 50});
    detach(&case, &bundle);
    let place = format!("{name}.slice/{nested}/p-{}.scope", case.id);
    assert_eq!(show(&case, &format!("p-{}.scope", case.id), "ControlGroup"), format!("/{place}"));
    case.delete_force();

    // A slice of its own.
    let slice = format!("{name}-c.slice");
    bundle.config["linux"]["cgroupsPath"] = format!("::{slice}").into();
    detach(&case, &bundle);
    let own = fs::read_to_string(format!("/proc/{}/cgroup", case.pid())).unwrap();
    assert_eq!(own.trim_end(), format!("0::/{name}.slice/{slice}"));
    assert_eq!(show(&case, &slice, "TasksMax"), "50");
    case.delete_force();
    assert_eq!(show(&case, &slice, "ActiveState"), "inactive");
    case.tool("systemctl").args(["stop", &format!("{name}.slice")]).output().ok();
}

#[test]
fn paths_of_another_form_are_refused() {
    let Some(case) = case() else { return };
    let mut bundle = staying(&case);
    for (path, words) in [
        ("/a/b", "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups"),
        ("no:p:n", "invalid slice name"),
        (":p:a b", "can't be the name of a systemd unit"),
    ] {
        bundle.config["linux"]["cgroupsPath"] = path.into();
        case.refuses(make(&case, &["create"], &bundle, &case.id), &[words]);
    }
}
