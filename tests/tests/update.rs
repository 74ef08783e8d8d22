//! `update`: limits that change while the container is there, seen from inside and in the cgroup's files. On the
//! machine's own hierarchies, and in a view of pure cgroup v2.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::{Path, PathBuf};

use coble_tests::{Bundle, Case, Cmd, Output, skip, wait};
use serde_json::{Value, json};

const TOP: &str = "/sys/fs/cgroup";

/// Whether each of these is mounted as a hierarchy of v1; says what is missing otherwise.
fn has_v1(controllers: &[&str]) -> bool {
    let missing = controllers.iter().find(|name| !Path::new(TOP).join(name).join("tasks").exists());
    if let Some(missing) = missing {
        skip(&format!("the controller {missing} is not mounted as cgroup v1"));
    }
    missing.is_none()
}

fn sleeping(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.sh("trap 'exit 0' TERM; while :; do sleep 0.05; done");
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    bundle
}

fn update(case: &Case, flags: &[&str]) -> Cmd {
    case.coble().arg("update").args(flags).arg(&case.id)
}

/// `update --resources -`
fn update_json(case: &Case, resources: &Value) -> Output {
    update(case, &["--resources", "-"]).stdin(resources.to_string().as_bytes()).output()
}

/// What a file of the container's cgroup says on the host, and, checked to be the same, in the container's view.
#[track_caller]
fn value(case: &Case, controller: &str, file: &str) -> String {
    let path = Path::new(TOP).join(controller).join(&case.id).join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    // Through its root: a process in a cgroup with next to no processor time would take its time.
    let inside = format!("/proc/{}/root{TOP}/{controller}/{file}", case.pid());
    assert_eq!(fs::read_to_string(&inside).unwrap(), text, "{inside}");
    text.trim_end().to_owned()
}

/// Flags, and what is then in which files of a controller.
type Change<'a> = (&'a [&'a str], &'a str, &'a [(&'a str, &'a str)]);

#[test]
fn each_flag_changes_its_file() {
    let Some(case) = Case::root() else { return };
    if !has_v1(&["memory", "cpu", "cpuset", "pids"]) {
        return;
    }
    case.detach(&sleeping(&case));
    let cases: [Change<'_>; 11] = [
        (&["--memory", "64m"], "memory", &[("memory.limit_in_bytes", "67108864")]),
        (&["--memory-reservation", "32M"], "memory", &[("memory.soft_limit_in_bytes", "33554432")]),
        (&["--pids-limit", "77"], "pids", &[("pids.max", "77")]),
        (&["--pids-limit=-1"], "pids", &[("pids.max", "max")]),
        (&["--cpu-share", "512"], "cpu", &[("cpu.shares", "512")]),
        (
            &["--cpu-quota", "50000", "--cpu-period", "200000"],
            "cpu",
            &[("cpu.cfs_quota_us", "50000"), ("cpu.cfs_period_us", "200000")],
        ),
        (
            &["--cpu-quota", "60000"],
            "cpu",
            &[("cpu.cfs_quota_us", "60000"), ("cpu.cfs_period_us", "200000")],
        ),
        (&["--cpu-burst", "10000"], "cpu", &[("cpu.cfs_burst_us", "10000")]),
        (&["--cpu-burst", "0", "--cpu-quota", "-1"], "cpu", &[("cpu.cfs_quota_us", "-1")]),
        (&["--cpu-idle", "1"], "cpu", &[("cpu.idle", "1")]),
        (
            &["--cpuset-cpus", "0", "--cpuset-mems", "0"],
            "cpuset",
            &[("cpuset.cpus", "0"), ("cpuset.mems", "0")],
        ),
    ];
    for (flags, controller, files) in cases {
        let output = update(&case, flags).output().ok();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""), "{output}");
        for (file, expected) in files {
            assert_eq!(value(&case, controller, file), *expected, "{flags:?}: {file}");
        }
    }
    let mask = case.exec(&["grep", "Cpus_allowed_list", "/proc/1/status"]).output().stdout();
    assert!(mask.ends_with("\t0\n"), "{mask}");
}

#[test]
fn limits_rise_and_fall_in_any_order() {
    let Some(case) = Case::root() else { return };
    if !has_v1(&["memory", "cpu"]) {
        return;
    }
    let mut bundle = sleeping(&case);
    bundle.config["linux"]["resources"]["memory"] = json!({"limit": 64 << 20, "swap": 96 << 20});
    bundle.config["linux"]["resources"]["cpu"] = json!({"quota": 10_000, "period": 100_000});
    case.detach(&bundle);
    let memory = |flags: &[&str], limit: i64, swap: i64| {
        update(&case, flags).output().ok();
        let (mib, both) = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes");
        assert_eq!(value(&case, "memory", mib), (limit << 20).to_string(), "{flags:?}");
        assert_eq!(value(&case, "memory", both), (swap << 20).to_string(), "{flags:?}");
    };
    if Path::new(TOP).join("memory/memory.memsw.limit_in_bytes").exists() {
        memory(&["--memory", "128m", "--memory-swap", "256m"], 128, 256);
        memory(&["--memory", "32m", "--memory-swap", "48m"], 32, 48);
        memory(&["--memory", "40m"], 40, 48);
        let output = update(&case, &["--memory", "50m"]).output();
        output.refused(&[
            "/memory/limit: ",
            "memory+swap limit should be >= memory limit, and is 50331648",
        ]);
        memory(&[], 40, 48);
        update(&case, &["--memory=-1"]).output().ok();
        let unlimited = value(&case, "memory", "memory.memsw.limit_in_bytes");
        assert!(unlimited.len() > 15, "{unlimited}");
        memory(&["--memory", "32m", "--memory-swap", "48m"], 32, 48);
    }
    for (quota, period) in
        [("200000", "400000"), ("5000", "20000"), ("100000", "50000"), ("1000", "1000000")]
    {
        update(&case, &["--cpu-quota", quota, "--cpu-period", period]).output().ok();
        assert_eq!(value(&case, "cpu", "cpu.cfs_quota_us"), quota);
        assert_eq!(value(&case, "cpu", "cpu.cfs_period_us"), period);
    }
}

#[test]
fn a_new_limit_holds_for_what_runs() {
    let Some(case) = Case::root() else { return };
    if !has_v1(&["pids"]) {
        return;
    }
    let mut bundle = sleeping(&case);
    let line =
        "until [ -e /tmp/go ]; do :; done; rm /tmp/go; /bin/sleep 0 & wait; echo made > /tmp/made";
    bundle.writable().sh(line);
    for (limit, can_fork) in [("10", true), ("1", false)] {
        case.detach(&bundle);
        update(&case, &["--pids-limit", limit]).output().ok();
        fs::write(bundle.inside("/tmp/go"), "").unwrap();
        case.until_stopped();
        assert_eq!(fs::remove_file(bundle.inside("/tmp/made")).is_ok(), can_fork, "{limit}");
        case.delete();
    }
}

#[test]
fn one_refused_limit_changes_none() {
    let Some(case) = Case::root() else { return };
    if !has_v1(&["memory", "cpu", "cpuset", "pids"]) {
        return;
    }
    let mut bundle = sleeping(&case);
    bundle.config["linux"]["resources"]["pids"] = json!({"limit": 50});
    bundle.config["linux"]["resources"]["cpu"] = json!({"shares": 300, "quota": 20_000});
    case.detach(&bundle);
    let files = [
        ("pids", "pids.max"),
        ("cpu", "cpu.shares"),
        ("cpu", "cpu.cfs_quota_us"),
        ("cpu", "cpu.cfs_period_us"),
        ("cpu", "cpu.idle"),
        ("memory", "memory.limit_in_bytes"),
        ("memory", "memory.oom_control"),
        ("cpuset", "cpuset.mems"),
    ];
    let all = || files.map(|(controller, file)| value(&case, controller, file));
    let before = all();
    let resources = json!({
        "pids": {"limit": 60},
        "memory": {"limit": 64 << 20, "disableOOMKiller": true},
        "cpu": {"shares": 400, "quota": 30_000, "period": 50_000, "cpus": "0", "mems": "900"},
    });
    let output = update_json(&case, &resources);
    output.refused(&["/cpu/mems: ", "\"900\"", &format!("{TOP}/cpuset/{}/cpuset.mems", case.id)]);
    assert_eq!(all(), before);

    for (flags, words) in [
        (["--cpu-period", "1"], ["/cpu/period: ", "cpu.cfs_period_us"]),
        (["--cpu-share", "1"], ["/cpu/shares: ", "the minimum allowed cpu-shares is 2"]),
        (["--cpuset-cpus", "x"], ["/cpu/cpus: ", "is not a list"]),
        (["--blkio-weight", "5"], ["/blockIO/weight: ", "is not in 10 to 1000"]),
        (
            ["--memory", "1k"],
            ["/memory/limit: ", "unable to set memory limit to 1024 (current usage: "],
        ),
        (["--l3-cache-schema", "L3:0=f"], ["Intel RDT", "l3 cache schema"]),
        (["--mem-bw-schema", "MB:0=50"], ["Intel RDT", "memory bandwidth schema"]),
        (["--memory", "1x"], ["invalid value \"1x\" for --memory", "512m"]),
    ] {
        update(&case, &flags).output().refused(&words);
        assert_eq!(all(), before, "{flags:?}");
    }
    let unified = update_json(&case, &json!({"unified": {"memory.high": "max"}}));
    unified.refused(&["/unified/memory.high: ", "cgroup v1"]);
}

#[test]
fn whatever_lives_can_be_updated() {
    let Some(case) = Case::root() else { return };
    if !has_v1(&["pids"]) {
        return;
    }
    let max = || fs::read_to_string(format!("{TOP}/pids/{}/pids.max", case.id)).unwrap();
    let bundle = sleeping(&case);
    case.create(&bundle).output().ok();
    update(&case, &["--pids-limit", "71"]).output().ok();
    assert_eq!(max(), "71\n", "a container that waits");
    case.verb(&["start"]).output().ok();
    update(&case, &["--pids-limit", "72"]).output().ok();
    assert_eq!(max(), "72\n", "one that runs");
    case.verb(&["pause"]).output().ok();
    update(&case, &["--pids-limit", "73"]).output().ok();
    assert_eq!(max(), "73\n", "one that is paused");
    assert_eq!(case.status(), "paused");
    case.verb(&["resume"]).output().ok();
    case.verb(&["kill"]).args(["KILL"]).output().ok();
    case.until_stopped();
    update(&case, &["--pids-limit", "74"]).output().refused(&["container not running"]);
    case.delete();
    update(&case, &["--pids-limit", "75"]).output().refused(&["container does not exist"]);
}

/// A disk whose reading can be slowed down.
fn disk() -> Option<(i64, i64)> {
    let disks = fs::read_dir("/sys/block").ok()?;
    let numbers = disks.flatten().find_map(|disk| {
        let is_real = disk.path().join("device").exists();
        let text = fs::read_to_string(disk.path().join("dev")).ok().filter(|_| is_real)?;
        let (major, minor) = text.trim_end().split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    });
    if numbers.is_none() {
        skip("there is no disk");
    }
    numbers
}

#[test]
fn rates_of_devices_come_and_go() {
    let Some(case) = Case::root() else { return };
    let Some((major, minor)) = disk().filter(|_| has_v1(&["blkio", "pids"])) else { return };
    case.detach(&sleeping(&case));
    let rates = |rate: u64| json!({"blockIO": {"throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": rate}]}});
    let file = "blkio.throttle.read_bps_device";
    update_json(&case, &rates(1 << 20)).ok();
    assert_eq!(value(&case, "blkio", file), format!("{major}:{minor} 1048576"));
    let mut bad = rates(1 << 22);
    bad["cpu"] = json!({"mems": "900"});
    update_json(&case, &bad).refused(&["/cpu/mems: "]);
    assert_eq!(value(&case, "blkio", file), format!("{major}:{minor} 1048576"));
    update_json(&case, &rates(0)).ok();
    assert_eq!(value(&case, "blkio", file), "");
    update_json(&case, &bad).refused(&["/cpu/mems: "]);
    assert_eq!(value(&case, "blkio", file), "", "what was not there is taken out again");
}

/// A container that says of its device 1:11 every now and then whether it can be opened.
fn looking(case: &Case) -> Bundle {
    let mut bundle = sleeping(case);
    for set in ["bounding", "permitted", "effective"] {
        let list = bundle.list(&format!("/process/capabilities/{set}"));
        list.extend(["CAP_MKNOD".into(), "CAP_SYSLOG".into()]);
    }
    // Where the host keeps temporary files there may be no devices.
    bundle.mount("tmpfs", "tmpfs", "/tmp", &["nosuid"]);
    bundle.sh("mknod /tmp/d c 1 11; sleep 1000");
    bundle
}

fn has_device(exec: Cmd) -> bool {
    exec.args(["test", "-e", "/tmp/d"]).output().code == Some(0)
}

fn can_open(exec: Cmd) -> bool {
    exec.args(["sh", "-c", "head -c 0 < /tmp/d"]).output().code == Some(0)
}

#[test]
fn device_rules_are_replaced_only_by_others() {
    let Some(case) = Case::root() else { return };
    let bundle = looking(&case);
    case.detach(&bundle);
    let exec = || case.exec_with(&["--cap", "CAP_SYSLOG"], &[]);
    wait::until("the device", || has_device(exec()));
    assert!(!can_open(exec()));
    let own = bundle.config["linux"]["resources"]["devices"].clone();
    let kmsg = json!({"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rwm"});
    let with_kmsg: Value = own.as_array().unwrap().iter().chain([&kmsg]).cloned().collect();
    update_json(&case, &json!({"devices": with_kmsg})).ok();
    assert!(can_open(exec()), "a new rule");
    assert_eq!(exec().args(["sh", "-c", "echo x > /dev/null"]).output().ok().stderr, "");
    // Rules that a hook may have added stay where an engine sends what it has always sent.
    update_json(&case, &json!({"devices": own, "pids": {"limit": 90}})).ok();
    assert!(can_open(exec()));
    update_json(&case, &json!({"pids": {"limit": 91}})).ok();
    assert!(can_open(exec()));
    let bad = json!({"devices": [{"allow": true, "access": "x"}]});
    update_json(&case, &bad).refused(&["/devices/0/access: "]);
}

fn v2_update(case: &Case, resources: &Value) -> Output {
    let update = case.coble_v2().args(["update", "-r", "-", &case.id]);
    update.stdin(resources.to_string().as_bytes()).output()
}

/// The container's v2 directory, wherever the host has v2.
fn v2_dir(case: &Case) -> PathBuf {
    let hybrid = Path::new(TOP).join("unified");
    if hybrid.exists() { hybrid.join(&case.id) } else { Path::new(TOP).join(&case.id) }
}

#[test]
fn v2_files_by_their_names() {
    let Some(case) = Case::root_v2() else { return };
    let mut bundle = sleeping(&case);
    bundle.namespace("cgroup").write();
    let run = case.coble_v2().args(["run", "-d", "-b"]).arg(&bundle.path).arg(&case.id);
    run.output().ok();
    let depth = || fs::read_to_string(v2_dir(&case).join("cgroup.max.depth")).unwrap();
    v2_update(&case, &json!({"unified": {"cgroup.max.depth": "3"}})).ok();
    assert_eq!(depth(), "3\n");
    let bad = json!({"unified": {"cgroup.max.depth": "4", "cgroup.nothing": "1"}});
    v2_update(&case, &bad).refused(&["/unified/cgroup.nothing: ", "cgroup.nothing: No such file"]);
    assert_eq!(depth(), "3\n", "set back");
    let inside = case.coble_v2().args(["exec", &case.id, "cat", "/sys/fs/cgroup/cgroup.max.depth"]);
    assert_eq!(inside.output().stdout(), "3\n");
    case.coble_v2().args(["delete", "--force", &case.id]).output().ok();
    case.assert_clean();
}

#[test]
fn v2_device_rules_are_replaced() {
    let Some(case) = Case::root_v2() else { return };
    let bundle = looking(&case);
    bundle.write();
    let run = case.coble_v2().args(["run", "-d", "-b"]).arg(&bundle.path).arg(&case.id);
    run.output().ok();
    let exec = || case.coble_v2().args(["exec", "--cap", "CAP_SYSLOG", &case.id]);
    wait::until("the device", || has_device(exec()));
    assert!(!can_open(exec()));
    let rules = |allow: bool| {
        json!({"devices": [{"allow": false, "access": "rwm"},
            {"allow": allow, "type": "c", "major": 1, "minor": 11, "access": "rw"}]})
    };
    v2_update(&case, &rules(true)).ok();
    assert!(can_open(exec()));
    v2_update(&case, &rules(false)).ok();
    assert!(!can_open(exec()));
    case.coble_v2().args(["delete", "--force", &case.id]).output().ok();
    case.assert_clean();
}

/// What this kernel has no file for is refused, with the flag's place, and changes nothing; what it has is set.
#[test]
fn limits_that_few_kernels_have_are_set_or_refused() {
    let Some(case) = Case::root() else { return };
    if !has_v1(&["memory", "cpu"]) {
        return;
    }
    let mut bundle = case.bundle();
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    for (flag, value, place, path) in [
        ("--kernel-memory", "67108864", "memory/kernel", "memory/ID/memory.kmem.limit_in_bytes"),
        (
            "--kernel-memory-tcp",
            "67108864",
            "memory/kernelTCP",
            "memory/ID/memory.kmem.tcp.limit_in_bytes",
        ),
        ("--cpu-rt-period", "900000", "cpu/realtimePeriod", "cpu/ID/cpu.rt_period_us"),
        ("--cpu-rt-runtime", "1000", "cpu/realtimeRuntime", "cpu/ID/cpu.rt_runtime_us"),
    ] {
        let file = Path::new(TOP).join(path.replace("ID", &case.id));
        let before = fs::read_to_string(&file).ok();
        let output = case.verb(&["update", flag, value]).output();
        match output.code {
            Some(0) => assert_eq!(fs::read_to_string(&file).unwrap(), format!("{value}\n")),
            _ => {
                output.refused(&[&format!("/{place}: ")]);
                assert_eq!(fs::read_to_string(&file).ok(), before, "{flag}");
            }
        }
    }
}
