//! A cgroup below that of the unit: `run.oci.systemd.subgroup`.

use super::*;

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
    case.give_rootfs(&bundle, 100_000);
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
