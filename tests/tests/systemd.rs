//! Cgroups that systemd makes. Skipped where systemd is not process 1.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use coble_tests::{Bundle, Case, Cmd, skip, wait};
use rustix::process::Signal;
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
        ("IOWeight", "910"),
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
fn a_reload_loses_neither_devices_nor_limits() {
    let _alone = SYSTEMD.write().unwrap_or_else(PoisonError::into_inner);
    let Some(case) = any_case() else { return };
    let mut bundle = staying(&case);
    let device = |path, minor| json!({"path": path, "type": "c", "major": 1, "minor": minor});
    bundle.config["linux"]["devices"] = json!([device("/dev/denied", 11), device("/dev/given", 2)]);
    bundle.config["linux"]["resources"] = json!({
        "devices": [
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 1, "minor": 2, "access": "r"},
        ],
        "pids": {"limit": 40},
    });
    detach(&case, &bundle);
    // 1:2 has no driver any more: the kernel says so only to who may open it.
    let probe =
        "echo x >/dev/null && echo null; head -c 1 /dev/denied 2>&1; head -c 1 /dev/given 2>&1";
    let seen = case.exec(&["sh", "-c", probe]).output();
    assert!(seen.stdout.contains("null\n"), "{seen}");
    assert!(seen.stdout.contains("/dev/denied: Operation not permitted"), "{seen}");
    assert!(seen.stdout.contains("/dev/given: No such device or address"), "{seen}");
    let unit = scope(&case);
    assert_eq!(show(&case, &unit, "DevicePolicy"), "strict");
    // systemd turns the order round when it reads its list again.
    let allowed = || {
        let mut lines: Vec<String> =
            show(&case, &unit, "DeviceAllow").lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let before = allowed();
    for line in ["/dev/char/1:2 r", "char-136 rwm"] {
        assert!(before.contains(&line.to_owned()), "{before:?}");
    }
    assert_eq!(show(&case, &unit, "NeedDaemonReload"), "no");
    for command in ["daemon-reload", "daemon-reexec"] {
        case.tool("systemctl").arg(command).output().ok();
        let again = case.exec(&["sh", "-c", probe]).output();
        assert_eq!(again.stdout, seen.stdout, "after {command}");
        assert_eq!(allowed(), before, "after {command}");
        assert_eq!(file(&case, "pids.max"), "40\n", "after {command}");
    }
    case.delete_force();
    is_gone(&case, &unit);
}

#[test]
fn a_systemd_that_is_executed_anew_is_waited_for() {
    let _alone = SYSTEMD.write().unwrap_or_else(PoisonError::into_inner);
    let Some(case) = any_case() else { return };
    let bundle = staying(&case);
    for round in 0..3 {
        let anew = case.tool("systemctl").arg("daemon-reexec").spawn();
        detach(&case, &bundle);
        case.verb(&["update", "--pids-limit", &format!("{}", 20 + round)]).output().ok();
        assert_eq!(file(&case, "pids.max"), format!("{}\n", 20 + round));
        case.delete_force();
        assert!(!directory(&scope(&case)).exists());
        anew.wait().ok();
        is_gone(&case, &scope(&case));
    }
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

#[test]
fn a_runtime_that_is_killed_leaves_no_unit() {
    let Some(case) = case() else { return };
    let mut bundle = staying(&case);
    let path = format!(":p:{}", case.id);
    bundle.config["linux"]["cgroupsPath"] = path.as_str().into();
    let going = case.file("going", "");
    let hook = format!("while [ -e {} ]; do sleep 0.1; done", going.display());
    bundle.hook("createRuntime", &hook);
    let unit = format!("p-{}.scope", case.id);
    let procs = directory(&unit).join("cgroup.procs");
    let other = format!("{}-other", case.id);
    for _ in 0..3 {
        let making = make(&case, &["create"], &bundle, &case.id).spawn();
        wait::until("the scope", || fs::read_to_string(&procs).is_ok_and(|text| !text.is_empty()));
        // In use, it is nobody else's.
        let refused = make(&case, &["create"], &bundle, &other).output();
        refused.refused(&["container's cgroup is not empty"]);
        assert!(!fs::read_to_string(&procs).unwrap().is_empty(), "it is left alone");
        making.signal(Signal::KILL);
        drop(making.wait());
        case.delete_force();
        is_gone(&case, &unit);
    }
    fs::remove_file(going).unwrap();
    bundle.config["hooks"] = json!({});
    make(&case, &["run", "--detach"], &bundle, &case.id).output().ok();
    case.delete_force();
    is_gone(&case, &unit);
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

#[test]
fn a_cgroup_below_the_unit() {
    let _alone = SYSTEMD.write().unwrap_or_else(PoisonError::into_inner);
    let Some(case) = any_case() else { return };
    let mut bundle = staying(&case);
    bundle.namespace("cgroup");
    bundle.config["annotations"]["run.oci.systemd.subgroup"] = "container".into();
    bundle.config["linux"]["resources"] = json!({
        "pids": {"limit": 40},
        "memory": {"limit": 67_108_864},
        "devices": [{"allow": false, "access": "rwm"}],
    });
    detach(&case, &bundle);
    let own = |pid: u64| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let place = format!("system.slice/{}/container", scope(&case));
    assert_eq!(own(case.pid()), format!("0::/{place}\n"));
    let inside = ["cat", "/proc/self/cgroup", "/sys/fs/cgroup/pids.max"];
    assert_eq!(case.exec(&inside).output().stdout(), "0::/\n40\n");
    // The limits are in force in both, and an update reaches both.
    let both = |name: &str| [file(&case, name), file(&case, &format!("container/{name}"))];
    assert_eq!(both("pids.max"), ["40\n", "40\n"]);
    assert_eq!(both("memory.max"), ["67108864\n", "67108864\n"]);
    case.verb(&["update", "--pids-limit", "60"]).output().ok();
    assert_eq!(both("pids.max"), ["60\n", "60\n"]);
    assert_eq!(file(&case, "cgroup.procs"), "");
    case.exec_with(&["--detach"], &["sleep", "1000"]).output().ok();
    assert_eq!(file(&case, "container/cgroup.procs").lines().count(), 2);
    case.verb(&["pause"]).output().ok();
    assert_eq!(case.status(), "paused");
    case.verb(&["resume"]).output().ok();
    case.tool("systemctl").arg("daemon-reload").output().ok();
    assert_eq!(both("pids.max"), ["60\n", "60\n"]);
    case.delete_force();
    is_gone(&case, &scope(&case));
}

#[test]
fn a_cgroup_below_the_unit_and_a_delegated_one_below_that() {
    let Some(case) = case() else { return };
    let mut bundle = staying(&case);
    bundle.namespace("cgroup").user_namespace(100_000, 65536);
    case.tool("chown").args(["-hR", "100000:100000"]).arg(bundle.rootfs()).output().ok();
    bundle.config["annotations"] = json!({
        "run.oci.systemd.subgroup": "container",
        "run.oci.delegate-cgroup": "own",
    });
    bundle.config["linux"]["resources"] = json!({"pids": {"limit": 40}});
    detach(&case, &bundle);
    let place = format!("0::/system.slice/{}/container/own\n", scope(&case));
    assert_eq!(fs::read_to_string(format!("/proc/{}/cgroup", case.pid())).unwrap(), place);
    assert_eq!(case.exec(&["cat", "/proc/self/cgroup"]).output().stdout(), "0::/own\n");
    assert_eq!(file(&case, "container/pids.max"), "40\n");
    assert_eq!(file(&case, "container/own/pids.max"), "max\n");
    let owner = |path: &str| {
        std::os::unix::fs::MetadataExt::uid(
            &fs::metadata(directory(&scope(&case)).join(path)).unwrap(),
        )
    };
    assert_eq!([owner(""), owner("container"), owner("container/own")], [0, 0, 100_000]);
    case.delete_force();
    is_gone(&case, &scope(&case));
}

#[test]
fn a_cgroup_below_the_unit_of_a_runtime_that_is_killed_goes_too() {
    let Some(case) = case() else { return };
    let mut bundle = staying(&case);
    bundle.config["annotations"]["run.oci.systemd.subgroup"] = "a/b".into();
    bundle.hook("createRuntime", "kill -KILL $PPID");
    assert_ne!(make(&case, &["create"], &bundle, &case.id).output().code, Some(0));
    case.delete_force();
    is_gone(&case, &scope(&case));
}

/// What `words` send to systemd, as the kernel sees it: the calls of D-Bus, by their methods.
fn messages(case: &Case, words: &[&str]) -> Vec<String> {
    let trace = case.dir.join("trace");
    let strace = case.tool("strace").args(["-qq", "-s", "4096", "-e", "trace=sendto", "-o"]);
    let strace = strace.arg(&trace).arg(case.program()).arg("--root").arg(case.state_root());
    strace.args(words).output().ok();
    let methods = [
        "StartTransientUnit",
        "SetUnitProperties",
        "StopUnit",
        "ResetFailedUnit",
        "AttachProcessesToUnit",
        "Hello",
        "AddMatch",
        "Subscribe",
    ];
    let text = fs::read_to_string(&trace).unwrap();
    let calls = text.lines().filter(|line| line.contains(r#""l\1\0\1"#));
    let method = |line: &str| {
        let known = methods.iter().find(|name| line.contains(&format!(r"\0{name}\0")));
        known.map_or_else(|| line.to_owned(), |name| (*name).to_owned())
    };
    calls.map(method).collect()
}

#[test]
fn messages_are_counted() {
    let Some(case) = case() else { return };
    let bundle = staying(&case);
    bundle.write();
    let (path, id) = (bundle.path.to_str().unwrap(), case.id.as_str());
    let create = messages(&case, &["--systemd-cgroup", "create", "--bundle", path, id]);
    assert_eq!(create, ["StartTransientUnit"]);
    for words in
        [&["start", id][..], &["exec", id, "true"], &["state", id], &["pause", id], &["resume", id]]
    {
        assert_eq!(messages(&case, words), [""; 0], "{words:?}");
    }
    assert_eq!(messages(&case, &["update", "--pids-limit", "9", id]), ["SetUnitProperties"]);
    assert_eq!(messages(&case, &["kill", id, "KILL"]), [""; 0]);
    case.until_stopped();
    assert_eq!(messages(&case, &["delete", id]), ["StopUnit"]);
}

#[test]
fn the_bus_is_asked_where_the_private_socket_is_missing() {
    let Some(case) = case() else { return };
    let bundle = staying(&case);
    bundle.write();
    let view = "mount -t tmpfs none /run/systemd && mkdir /run/systemd/system && exec \"$@\"";
    let hidden = |words: &[&str]| {
        let unshare = case.tool("unshare").args(["--mount", "--propagation", "private"]);
        let unshare = unshare.args(["sh", "-c", view, "sh"]).arg(case.program());
        unshare.arg("--root").arg(case.state_root()).args(words).output()
    };
    let path = bundle.path.to_str().unwrap();
    hidden(&["--systemd-cgroup", "run", "--detach", "--bundle", path, &case.id]).ok();
    let own = fs::read_to_string(format!("/proc/{}/cgroup", case.pid())).unwrap();
    assert_eq!(own, format!("0::/system.slice/{}\n", scope(&case)));
    hidden(&["update", "--pids-limit", "9", &case.id]).ok();
    assert_eq!(show(&case, &scope(&case), "TasksMax"), "9");
    hidden(&["delete", "--force", &case.id]).ok();
    is_gone(&case, &scope(&case));
}

/// coble is killed at every step of its talk with systemd; whatever the unit is like then, its name is free.
#[test]
fn a_unit_of_a_runtime_that_was_killed_while_it_was_made_is_in_nobodys_way() {
    let Some(case) = case() else { return };
    let mut bundle = staying(&case);
    bundle.config["linux"]["cgroupsPath"] = format!(":p:{}", case.id).into();
    bundle.write();
    let unit = format!("p-{}.scope", case.id);
    let procs = directory(&unit).join("cgroup.procs");
    let mut kills = 0;
    for call in ["sendto", "recvfrom"] {
        for nth in 1.. {
            let inject = format!("inject={call}:signal=KILL:when={nth}");
            let strace = case.tool("strace").args(["-qq", "-o", "/dev/null", "-e", &inject]);
            let strace = strace.arg(case.program()).arg("--systemd-cgroup").arg("--root");
            let strace = strace.arg(case.state_root()).args(["create", "--bundle"]);
            let created = strace.arg(&bundle.path).arg(&case.id).output();
            if created.code == Some(0) {
                case.delete_force();
                break;
            }
            kills += 1;
            // The executor dies with coble.
            wait::until("an empty unit", || {
                fs::read_to_string(&procs).is_ok_and(|text| text.is_empty()) || !procs.exists()
            });
            if nth % 2 == 0 {
                case.delete_force();
                is_gone(&case, &unit);
            }
            let next = format!("{}-next", case.id);
            make(&case, &["create"], &bundle, &next).output().ok();
            assert_eq!(fs::read_to_string(&procs).unwrap().lines().count(), 1, "{call} {nth}");
            case.coble().args(["delete", "--force", &next]).output().ok();
            case.delete_force();
            is_gone(&case, &unit);
        }
    }
    assert!(kills > 5, "{kills}");
}
