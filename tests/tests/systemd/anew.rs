//! A systemd that reads its units anew, or is executed anew.

use super::*;

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
fn a_reload_keeps_limits_that_systemd_has_other_words_for() {
    let _alone = SYSTEMD.write().unwrap_or_else(PoisonError::into_inner);
    let Some(case) = any_case() else { return };
    let mut bundle = staying(&case);
    let unified = json!({"cpu.max": "12345 100000", "memory.oom.group": "1"});
    bundle.config["linux"]["resources"]["unified"] = unified;
    detach(&case, &bundle);
    let keeps = |name: &str, text: &str| {
        assert_eq!(file(&case, name), text, "{name}");
        case.tool("systemctl").arg("daemon-reload").output().ok();
        assert_eq!(file(&case, name), text, "{name} after a reload");
    };
    keeps("memory.oom.group", "1\n");
    keeps("cpu.max", "13000 100000\n");
    // The quota in force goes with it, in whole percents.
    case.verb(&["update", "--cpu-period", "30000"]).output().ok();
    keeps("cpu.max", "13200 30000\n");
    case.verb(&["update", "--cpu-share", "512"]).output().ok();
    keeps("cpu.weight", "59\n");
    case.verb(&["update", "--cpu-idle", "1"]).output().ok();
    keeps("cpu.idle", "1\n");
    case.verb(&["update", "--cpu-idle", "0"]).output().ok();
    keeps("cpu.idle", "0\n");
    assert_eq!(file(&case, "cpu.weight"), "100\n", "the kernel's default");
    case.delete_force();
    is_gone(&case, &scope(&case));
}

#[test]
fn a_reload_keeps_a_weight_of_bfq() {
    let _alone = SYSTEMD.write().unwrap_or_else(PoisonError::into_inner);
    let Some(case) = any_case() else { return };
    if case.tool("modprobe").args(["-q", "bfq"]).output().code != Some(0) {
        return skip("the kernel has no scheduler BFQ");
    }
    let mut bundle = staying(&case);
    for (weight, property) in [(50, "50"), (100, "100"), (300, "2300")] {
        bundle.config["linux"]["resources"]["blockIO"] = json!({"weight": weight});
        detach(&case, &bundle);
        let text = format!("default {weight}\n");
        assert_eq!(file(&case, "io.bfq.weight"), text);
        assert_eq!(show(&case, &scope(&case), "IOWeight"), property);
        case.tool("systemctl").arg("daemon-reload").output().ok();
        assert_eq!(file(&case, "io.bfq.weight"), text, "after a reload");
        case.delete_force();
    }
    is_gone(&case, &scope(&case));
}
