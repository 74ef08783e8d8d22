//! What is left of a runtime that was killed.

use rustix::process::Signal;

use super::*;

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

/// coble with `words`, killed as it enters a system call for the `nth` time. Whether it came to that.
fn is_killed(case: &Case, call: &str, nth: usize, words: &[&str]) -> bool {
    let inject = format!("inject={call}:signal=KILL:when={nth}");
    let strace = case.tool("strace").args(["--quiet=all", "-o", "/dev/null", "-e", &inject]);
    let strace = strace.arg(case.program()).arg("--root").arg(case.state_root());
    let output = strace.args(words).output();
    assert!(output.signal == Some(9) || output.code == Some(0), "{call} {nth}: {output}");
    output.code != Some(0)
}

/// An update that was killed is made up for by the next one, files and properties, whatever it had come to.
#[test]
fn an_update_that_is_killed_can_be_done_again() {
    let Some(case) = case() else { return };
    detach(&case, &staying(&case));
    let closed = json!([{"allow": false, "access": "rwm"}]);
    let resources = |number: usize, rules| {
        let text = json!({"pids": {"limit": number}, "devices": rules}).to_string();
        case.file(&format!("{number}.json"), &text).to_str().unwrap().to_owned()
    };
    let opened = resources(9, json!([{"allow": true, "access": "rwm"}]));
    let closed = resources(7, closed);
    let mut kills = 0;
    for call in ["write", "rename", "bpf", "connect", "sendto", "recvfrom"] {
        for nth in 1.. {
            let update = ["update", "--resources", &opened, &case.id];
            if !is_killed(&case, call, nth, &update) {
                break;
            }
            kills += 1;
            case.verb(&["update", "--resources", &closed]).output().ok();
            assert_eq!(file(&case, "pids.max"), "7\n", "{call} {nth}");
            assert_eq!(show(&case, &scope(&case), "TasksMax"), "7", "{call} {nth}");
            let policy = show(&case, &scope(&case), "DevicePolicy");
            assert_eq!(policy, "strict", "{call} {nth}: the former rules are new ones");
        }
        case.verb(&["update", "--resources", &closed]).output().ok();
    }
    assert!(kills > 8, "{kills}");
    case.delete_force();
    is_gone(&case, &scope(&case));
}

/// What a killed `delete` has left, the next one takes away.
#[test]
fn a_delete_that_is_killed_can_be_done_again() {
    let Some(case) = case() else { return };
    let bundle = staying(&case);
    let mut kills = 0;
    for call in ["pidfd_send_signal", "rmdir", "unlinkat", "connect", "sendto", "recvfrom"] {
        for nth in 1.. {
            detach(&case, &bundle);
            if !is_killed(&case, call, nth, &["delete", "--force", &case.id]) {
                break;
            }
            kills += 1;
            case.coble().args(["delete", "--force", &case.id]).output().ok();
            is_gone(&case, &scope(&case));
        }
        is_gone(&case, &scope(&case));
    }
    assert!(kills > 5, "{kills}");
}
