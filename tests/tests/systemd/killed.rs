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
