//! Rates of devices, and rules for them.

use std::fs;
use std::time::{Duration, Instant};

use coble_tests::{Bundle, Case, Cmd, Disk, skip, wait};
use serde_json::{Value, json};

use super::{limited, sleeping, update_json, v2_update, value};

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
    let Some((case, cgroup)) = limited(&["blkio", "cpuset"]) else { return };
    let Some((major, minor)) = disk() else { return };
    case.detach(&sleeping(&case));
    let rates = |rate: u64| json!({"blockIO": {"throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": rate}]}});
    let file = cgroup.pick("blkio.throttle.read_bps_device", "io.max");
    let shown = || value(&case, &cgroup, "blkio", file);
    let slow = cgroup.pick(
        format!("{major}:{minor} 1048576"),
        format!("{major}:{minor} rbps=1048576 wbps=max riops=max wiops=max"),
    );
    update_json(&case, &rates(1 << 20)).ok();
    assert_eq!(shown(), slow);
    let mut bad = rates(1 << 22);
    bad["cpu"] = json!({"mems": "900"});
    update_json(&case, &bad).refused(&["/cpu/mems: "]);
    assert_eq!(shown(), slow);
    update_json(&case, &rates(0)).ok();
    assert_eq!(shown(), "");
    update_json(&case, &bad).refused(&["/cpu/mems: "]);
    assert_eq!(shown(), "", "what was not there is taken out again");
}

/// How long it takes is the proof: a first burst goes through, the rest has to wait.
#[test]
fn a_rate_holds_for_what_runs() {
    let Some((case, cgroup)) = limited(&["blkio"]) else { return };
    let Some(Disk { major, minor }) = Disk::spare() else { return };
    let mut bundle = sleeping(&case);
    bundle.disk(Disk { major, minor });
    case.detach(&bundle);
    let read = || {
        let start = Instant::now();
        let dd = ["dd", "if=/dev/disk", "of=/dev/null", "bs=65536", "count=16", "iflag=direct"];
        case.exec(&dd).output().ok();
        start.elapsed()
    };
    let free = read();
    if !cgroup.is_v2 && cgroup.counts_nothing() {
        return skip("the kernel counts nothing of this disk with cgroup v1");
    }
    let rates = |rate: u64| json!({"blockIO": {"throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": rate}]}});
    update_json(&case, &rates(256 << 10)).ok();
    let slow = read();
    // A mebibyte at a quarter of that a second.
    assert!(slow > free + Duration::from_secs(2), "{free:?}, then {slow:?}");
    update_json(&case, &rates(0)).ok();
    let again = read();
    assert!(again < slow / 2, "{slow:?}, then {again:?}, in {:?}", cgroup.dir("blkio"));
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
    update_json(&case, &json!({"devices": with_kmsg, "pids": {"limit": 90}})).ok();
    assert!(can_open(exec()));
    update_json(&case, &json!({"pids": {"limit": 91}})).ok();
    assert!(can_open(exec()));
    let bad = json!({"devices": [{"allow": true, "access": "x"}]});
    update_json(&case, &bad).refused(&["/devices/0/access: "]);
    update_json(&case, &json!({"devices": own})).ok();
    assert!(!can_open(exec()), "the first rules again");
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
