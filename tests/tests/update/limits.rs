//! Limits that are set: each flag, files of limits, in any order.

use std::fs;

use serde_json::json;

use super::{limited, sleeping, update, update_json, value};

/// A file, and what is in it.
type Content<'a> = (&'a str, &'a str);

/// Flags, and what is then in which files of a controller: with v1, and with v2.
type Change<'a> = (&'a [&'a str], &'a str, &'a [Content<'a>], &'a [Content<'a>]);

#[test]
fn each_flag_changes_its_file() {
    let Some((case, cgroup)) = limited(&["memory", "cpu", "cpuset", "pids"]) else { return };
    let mut bundle = sleeping(&case);
    // It makes no processes, of which one of the limits allows none.
    bundle.args(&["sleep", "1000"]);
    case.detach(&bundle);
    let cases: [Change<'_>; 13] = [
        (
            &["--memory", "64m"],
            "memory",
            &[("memory.limit_in_bytes", "67108864")],
            &[("memory.max", "67108864")],
        ),
        (
            &["--memory-reservation", "32M"],
            "memory",
            &[("memory.soft_limit_in_bytes", "33554432")],
            &[("memory.low", "33554432")],
        ),
        (&["--pids-limit", "77"], "pids", &[("pids.max", "77")], &[("pids.max", "77")]),
        (&["--pids-limit=-1"], "pids", &[("pids.max", "max")], &[("pids.max", "max")]),
        (&["--pids-limit=0"], "pids", &[("pids.max", "1")], &[("pids.max", "1")]),
        (&["--cpu-share", "512"], "cpu", &[("cpu.shares", "512")], &[("cpu.weight", "59")]),
        (
            &["--cpu-quota", "50000", "--cpu-period", "200000"],
            "cpu",
            &[("cpu.cfs_quota_us", "50000"), ("cpu.cfs_period_us", "200000")],
            &[("cpu.max", "50000 200000")],
        ),
        (
            &["--cpu-quota", "60000"],
            "cpu",
            &[("cpu.cfs_quota_us", "60000"), ("cpu.cfs_period_us", "200000")],
            &[("cpu.max", "60000 200000")],
        ),
        (
            &["--cpu-period", "150000"],
            "cpu",
            &[("cpu.cfs_quota_us", "60000"), ("cpu.cfs_period_us", "150000")],
            &[("cpu.max", "60000 150000")],
        ),
        (
            &["--cpu-burst", "10000"],
            "cpu",
            &[("cpu.cfs_burst_us", "10000")],
            &[("cpu.max.burst", "10000")],
        ),
        (
            &["--cpu-burst", "0", "--cpu-quota", "-1"],
            "cpu",
            &[("cpu.cfs_burst_us", "0"), ("cpu.cfs_quota_us", "-1")],
            &[("cpu.max.burst", "0"), ("cpu.max", "max 150000")],
        ),
        (&["--cpu-idle", "1"], "cpu", &[("cpu.idle", "1")], &[("cpu.idle", "1")]),
        (
            &["--cpuset-cpus", "0", "--cpuset-mems", "0"],
            "cpuset",
            &[("cpuset.cpus", "0"), ("cpuset.mems", "0")],
            &[("cpuset.cpus", "0"), ("cpuset.mems", "0")],
        ),
    ];
    for (flags, controller, v1, v2) in cases {
        let output = update(&case, flags).output().ok();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""), "{output}");
        for (file, expected) in cgroup.pick(v1, v2) {
            assert_eq!(value(&case, &cgroup, controller, file), *expected, "{flags:?}: {file}");
        }
    }
    let mask = fs::read_to_string(format!("/proc/{}/status", case.pid())).unwrap();
    assert!(mask.contains("\nCpus_allowed_list:\t0\n"), "{mask}");
}

/// With v2 the files know memory and swap apart.
#[test]
fn limits_rise_and_fall_in_any_order() {
    let Some((case, cgroup)) = limited(&["memory", "cpu"]) else { return };
    let mut bundle = sleeping(&case);
    bundle.config["linux"]["resources"]["memory"] = json!({"limit": 64 << 20, "swap": 96 << 20});
    bundle.config["linux"]["resources"]["cpu"] = json!({"quota": 10_000, "period": 100_000});
    let (mib, both) = cgroup.pick(
        ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
        ("memory.max", "memory.swap.max"),
    );
    case.detach(&bundle);
    let memory = |flags: &[&str], limit: i64, swap: i64| {
        update(&case, flags).output().ok();
        let second = cgroup.pick(swap, swap - limit);
        let shown = |file| value(&case, &cgroup, "memory", file);
        assert_eq!(shown(mib), (limit << 20).to_string(), "{flags:?}");
        assert_eq!(shown(both), (second << 20).to_string(), "{flags:?}");
    };
    if cgroup.dir("memory").join(both).exists() {
        memory(&["--memory", "128m", "--memory-swap", "256m"], 128, 256);
        memory(&["--memory", "32m", "--memory-swap", "48m"], 32, 48);
        memory(&["--memory", "40m"], 40, 48);
        memory(&["--memory-swap", "60m"], 40, 60);
        memory(&["--memory-swap", "48m"], 40, 48);
        let output = update(&case, &["--memory", "50m"]).output();
        let words = "memory+swap limit should be >= memory limit";
        output.refused(&cgroup.pick(["/memory/limit: ", words], ["/memory/swap: ", words]));
        memory(&[], 40, 48);
        update(&case, &["--memory=-1"]).output().ok();
        for file in [mib, both] {
            let unlimited = value(&case, &cgroup, "memory", file);
            assert!(unlimited == "max" || unlimited.len() > 15, "{file}: {unlimited}");
        }
        memory(&["--memory", "32m", "--memory-swap", "48m"], 32, 48);
    }
    for (quota, period) in
        [("200000", "400000"), ("5000", "20000"), ("100000", "50000"), ("1000", "1000000")]
    {
        update(&case, &["--cpu-quota", quota, "--cpu-period", period]).output().ok();
        let shown = |file| value(&case, &cgroup, "cpu", file);
        if cgroup.is_v2 {
            assert_eq!(shown("cpu.max"), format!("{quota} {period}"));
        } else {
            assert_eq!(shown("cpu.cfs_quota_us"), quota);
            assert_eq!(shown("cpu.cfs_period_us"), period);
        }
    }
}

#[test]
fn limits_come_from_a_file_or_from_standard_input() {
    let Some((case, cgroup)) = limited(&["memory", "pids"]) else { return };
    case.detach(&sleeping(&case));
    let both = || {
        let file = cgroup.pick("memory.limit_in_bytes", "memory.max");
        let memory = value(&case, &cgroup, "memory", file);
        (memory, value(&case, &cgroup, "pids", "pids.max"))
    };
    let json =
        |mib: u64, pids: u64| json!({"memory": {"limit": mib << 20}, "pids": {"limit": pids}});
    update_json(&case, &json(64, 40)).ok();
    assert_eq!(both(), ("67108864".into(), "40".into()));
    let file = case.file("limits.json", &json(32, 41).to_string());
    for flag in ["--resources", "-r"] {
        update(&case, &[flag, file.to_str().unwrap()]).output().ok();
        assert_eq!(both(), ("33554432".into(), "41".into()), "{flag}");
        update_json(&case, &json(64, 40)).ok();
    }
    let absent = case.dir.join("absent.json");
    update(&case, &["-r", absent.to_str().unwrap()]).output().refused(&["absent.json"]);
    case.file("limits.json", "{\"memory\": {\"limit\": 1,}");
    update(&case, &["-r", file.to_str().unwrap()]).output().refused(&["limits.json", "line 1"]);
    assert_eq!(both(), ("67108864".into(), "40".into()));
}

#[test]
fn a_new_limit_holds_for_what_runs() {
    let Some((case, _)) = limited(&["pids"]) else { return };
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
fn whatever_lives_can_be_updated() {
    let Some((case, cgroup)) = limited(&["pids"]) else { return };
    let max = || cgroup.read("pids", "pids.max");
    let bundle = sleeping(&case);
    case.create(&bundle).output().ok();
    update(&case, &["--pids-limit", "71"]).output().ok();
    assert_eq!(max(), "71", "a container that waits");
    case.verb(&["start"]).output().ok();
    update(&case, &["--pids-limit", "72"]).output().ok();
    assert_eq!(max(), "72", "one that runs");
    case.verb(&["pause"]).output().ok();
    update(&case, &["--pids-limit", "73"]).output().ok();
    assert_eq!(max(), "73", "one that is paused");
    assert_eq!(case.status(), "paused");
    case.verb(&["resume"]).output().ok();
    case.verb(&["kill"]).args(["KILL"]).output().ok();
    case.until_stopped();
    update(&case, &["--pids-limit", "74"]).output().refused(&["container not running"]);
    case.delete();
    update(&case, &["--pids-limit", "75"]).output().refused(&["container does not exist"]);
}

/// What this kernel has no file for is refused, with the flag's place, and changes nothing; what it has is set.
#[test]
fn limits_that_few_kernels_have_are_set_or_refused() {
    let Some((case, cgroup)) = limited(&["memory", "cpu", "blkio"]) else { return };
    let mut bundle = case.bundle();
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    /// Flag, value, place, controller, file, what it says then.
    type Odd<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, &'a str);
    let v1: &[Odd<'_>] = &[
        (
            "--kernel-memory",
            "67108864",
            "memory/kernel",
            "memory",
            "memory.kmem.limit_in_bytes",
            "67108864",
        ),
        (
            "--kernel-memory-tcp",
            "67108864",
            "memory/kernelTCP",
            "memory",
            "memory.kmem.tcp.limit_in_bytes",
            "67108864",
        ),
        ("--cpu-rt-period", "900000", "cpu/realtimePeriod", "cpu", "cpu.rt_period_us", "900000"),
        ("--cpu-rt-runtime", "1000", "cpu/realtimeRuntime", "cpu", "cpu.rt_runtime_us", "1000"),
        ("--blkio-weight", "300", "blockIO/weight", "blkio", "blkio.bfq.weight", "300"),
    ];
    let has_bfq = cgroup.dir("blkio").join("io.bfq.weight").exists();
    let io_weight: Odd<'_> = match has_bfq {
        true => {
            ("--blkio-weight", "300", "blockIO/weight", "blkio", "io.bfq.weight", "default 300")
        }
        false => ("--blkio-weight", "300", "blockIO/weight", "blkio", "io.weight", "default 2930"),
    };
    for (flag, new, place, controller, file, shown) in cgroup.pick(v1, &[io_weight]) {
        let file = cgroup.dir(controller).join(file);
        let before = fs::read_to_string(&file).ok();
        let output = case.verb(&["update", flag, new]).output();
        match output.code {
            Some(0) => assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), *shown),
            _ => {
                output.refused(&[&format!("/{place}: ")]);
                assert_eq!(fs::read_to_string(&file).ok(), before, "{flag}");
            }
        }
    }
}
