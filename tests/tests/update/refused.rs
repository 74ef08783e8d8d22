//! Limits that are refused, and then change nothing.

use serde_json::json;

use super::{limited, sleeping, update, update_json, value};

/// v1 refuses by itself what does not hold; v2 would kill, and is asked first.
#[test]
fn a_limit_below_what_is_used_is_refused_if_it_is_checked() {
    let Some((case, cgroup)) = limited(&["memory"]) else { return };
    case.detach(&sleeping(&case));
    let file = cgroup.pick("memory.limit_in_bytes", "memory.max");
    let before = value(&case, &cgroup, "memory", file);
    let resources = |limit: i64| json!({"memory": {"limit": limit, "checkBeforeUpdate": true}});
    let output = update_json(&case, &resources(4096));
    output.refused(&[
        "/memory/limit: ",
        cgroup.pick("unable to set memory limit to 4096", "rejecting memory limit 4096 <= usage "),
    ]);
    assert_eq!(value(&case, &cgroup, "memory", file), before);
    update_json(&case, &resources(64 << 20)).ok();
    assert_eq!(value(&case, &cgroup, "memory", file), "67108864");
    assert_eq!(case.status(), "running");
}

#[test]
fn one_refused_limit_changes_none() {
    let Some((case, cgroup)) = limited(&["memory", "cpu", "cpuset", "pids"]) else { return };
    let mut bundle = sleeping(&case);
    bundle.config["linux"]["resources"]["pids"] = json!({"limit": 50});
    bundle.config["linux"]["resources"]["cpu"] = json!({"shares": 300, "quota": 20_000});
    case.detach(&bundle);
    let files: &[(&str, &str)] = cgroup.pick(
        &[
            ("pids", "pids.max"),
            ("cpu", "cpu.shares"),
            ("cpu", "cpu.cfs_quota_us"),
            ("cpu", "cpu.cfs_period_us"),
            ("cpu", "cpu.idle"),
            ("memory", "memory.limit_in_bytes"),
            ("memory", "memory.oom_control"),
            ("cpuset", "cpuset.mems"),
        ],
        &[
            ("pids", "pids.max"),
            ("cpu", "cpu.weight"),
            ("cpu", "cpu.max"),
            ("cpu", "cpu.idle"),
            ("memory", "memory.max"),
            ("memory", "memory.swap.max"),
            ("memory", "memory.low"),
            ("cpuset", "cpuset.mems"),
        ],
    );
    let all = || -> Vec<String> {
        files.iter().map(|(controller, file)| value(&case, &cgroup, controller, file)).collect()
    };
    let before = all();
    let mut resources = json!({
        "pids": {"limit": 60},
        "memory": {"limit": 64 << 20, "reservation": 32 << 20},
        "cpu": {"shares": 400, "quota": 30_000, "period": 50_000, "cpus": "0", "mems": "900"},
    });
    if !cgroup.is_v2 {
        resources["memory"]["disableOOMKiller"] = true.into();
    }
    let output = update_json(&case, &resources);
    let mems = cgroup.dir("cpuset").join("cpuset.mems");
    output.refused(&["/cpu/mems: ", "\"900\"", mems.to_str().unwrap()]);
    assert_eq!(all(), before);

    let odd: &[(&[&str], [&str; 2])] = &[
        (&["--cpuset-cpus", "x"], ["/cpu/cpus: ", "is not a list"]),
        (&["--blkio-weight", "5"], ["/blockIO/weight: ", "is not in 10 to 1000"]),
        (&["--l3-cache-schema", "L3:0=f"], ["Intel RDT", "l3 cache schema"]),
        (&["--mem-bw-schema", "MB:0=50"], ["Intel RDT", "memory bandwidth schema"]),
        (&["--memory", "1x"], ["invalid value \"1x\" for --memory", "512m"]),
    ];
    let of_version: &[(&[&str], [&str; 2])] = cgroup.pick(
        &[
            (&["--cpu-period", "1"], ["/cpu/period: ", "cpu.cfs_period_us"]),
            (&["--cpu-share", "1"], ["/cpu/shares: ", "the minimum allowed cpu-shares is 2"]),
            (
                &["--memory", "1k"],
                ["/memory/limit: ", "unable to set memory limit to 1024 (current usage: "],
            ),
        ],
        &[
            (&["--cpu-period", "1"], ["/cpu/period: ", "cpu.max"]),
            (&["--kernel-memory", "1g"], ["/memory/kernel: ", "cgroup v2 has no such thing"]),
            (
                &["--kernel-memory-tcp", "1g"],
                ["/memory/kernelTCP: ", "cgroup v2 has no such thing"],
            ),
            (
                &["--cpu-rt-runtime", "10"],
                ["/cpu/realtimeRuntime: ", "cgroup v2 has no such thing"],
            ),
            (&["--cpu-rt-period", "10"], ["/cpu/realtimePeriod: ", "cgroup v2 has no such thing"]),
            (
                &["--memory", "64m", "--memory-swap", "32m"],
                ["/memory/swap: ", "memory+swap limit should be >= memory limit"],
            ),
            (
                &["--memory-swap", "32m"],
                ["/memory/swap: ", "unable to set swap limit without memory limit"],
            ),
        ],
    );
    for (flags, words) in odd.iter().chain(of_version) {
        update(&case, flags).output().refused(words);
        assert_eq!(all(), before, "{flags:?}");
    }
    let (unified, words) = cgroup.pick(
        (json!({"memory.high": "max"}), ["/unified/memory.high: ", "cgroup v1"]),
        (
            json!({"memory.high": "70000000", "memory.nothing": "1"}),
            ["/unified/memory.nothing: ", "memory.nothing on this kernel"],
        ),
    );
    update_json(&case, &json!({"unified": unified})).refused(&words);
    assert_eq!(all(), before);
    if cgroup.is_v2 {
        assert_eq!(value(&case, &cgroup, "memory", "memory.high"), "max");
    }
}
