//! The container's cgroup: its place, its limits, its end. On the machine's own hierarchies, and in a view of
//! pure cgroup v2.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::{Path, PathBuf};

use coble_tests::{Bundle, Case, leftovers, skip};
use serde_json::json;

/// The top folder of the controller `name`, and whether that is cgroup v2's; `None`, reported as skipped, if it is
/// not there.
fn controller(name: &str) -> Option<(PathBuf, bool)> {
    let top = Path::new("/sys/fs/cgroup");
    let unified = fs::read_to_string(top.join("cgroup.controllers")).unwrap_or_default();
    if unified.split_whitespace().any(|controller| controller == name) {
        return Some((top.to_owned(), true));
    }
    let path = top.join(name);
    if path.join("cgroup.procs").exists() {
        return Some((path, false));
    }
    skip(&format!("the {name} controller is not there"));
    None
}

/// The cgroups of the container's process, without that of cgroup v2 where nothing is mounted that shows it.
fn memberships(case: &Case) -> String {
    let table = fs::read_to_string(format!("/proc/{}/cgroup", case.pid())).unwrap();
    let top = Path::new("/sys/fs/cgroup");
    let has_v2 = [top.to_owned(), top.join("unified")]
        .iter()
        .any(|dir| dir.join("cgroup.controllers").exists());
    let shown = table.lines().filter(|line| has_v2 || !line.starts_with("0::"));
    shown.map(|line| format!("{line}\n")).collect()
}

fn sleeping(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    bundle
}

/// What a file of the container's cgroup says.
fn value(case: &Case, controller: &Path, file: &str) -> String {
    let path = controller.join(&case.id).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_process_is_in_the_cgroup_that_is_asked_for() {
    let Some(case) = Case::root() else { return };
    let mut bundle = sleeping(&case);
    let path = format!("/{0}/deep/{0}-down", case.id);
    bundle.config["linux"]["cgroupsPath"] = path.as_str().into();
    case.detach(&bundle);
    let table = memberships(&case);
    for line in table.lines() {
        assert!(line.ends_with(&format!(":{path}")), "{table}");
    }
    case.delete_force();
    // The folders above are the caller's.
    for cgroup in leftovers::cgroups(&case.id).iter().rev() {
        assert!(!cgroup.ends_with(format!("{}-down", case.id)), "{}", cgroup.display());
        fs::remove_dir(cgroup).unwrap();
    }
}

#[test]
fn a_relative_path_is_below_the_runtimes_own_cgroup() {
    let Some(case) = Case::root() else { return };
    let mut bundle = sleeping(&case);
    bundle.config["linux"]["cgroupsPath"] = case.id.as_str().into();
    case.detach(&bundle);
    let table = memberships(&case);
    for line in table.lines() {
        assert!(line.ends_with(&format!("/{}", case.id)), "{table}");
    }
}

#[test]
fn without_a_path_the_cgroup_bears_the_id() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    assert!(!leftovers::cgroups(&case.id).is_empty(), "no cgroup of that name");
    let table = memberships(&case);
    for line in table.lines() {
        assert!(line.ends_with(&format!("/{}", case.id)), "{table}");
    }
    case.delete_force();
    case.assert_clean();
}

#[test]
fn a_path_cannot_climb_out() {
    let Some(case) = Case::root() else { return };
    let mut bundle = sleeping(&case);
    let outside = format!("/sys/fs/{}", case.id);
    bundle.config["linux"]["cgroupsPath"] = format!("/../../{}", case.id).into();
    bundle.sh("cat /proc/self/cgroup");
    let output = case.run(&bundle).output();
    assert!(!output.stdout.contains(".."), "{output}");
    assert!(!Path::new(&outside).exists());
}

#[test]
fn memory_limits() {
    let Some(case) = Case::root() else { return };
    let Some((memory, is_v2)) = controller("memory") else { return };
    let mut bundle = sleeping(&case);
    bundle.config["linux"]["resources"]["memory"] =
        json!({"limit": 64 << 20, "reservation": 32 << 20});
    case.detach(&bundle);
    let [limit, reservation] = match is_v2 {
        true => ["memory.max", "memory.low"],
        false => ["memory.limit_in_bytes", "memory.soft_limit_in_bytes"],
    };
    assert_eq!(value(&case, &memory, limit), "67108864\n");
    assert_eq!(value(&case, &memory, reservation), "33554432\n");
    let procs = value(&case, &memory, "cgroup.procs");
    assert!(procs.lines().any(|pid| pid == case.pid().to_string()), "{procs}");
}

#[test]
fn a_memory_limit_holds() {
    let Some(case) = Case::root() else { return };
    if controller("memory").is_none() {
        return;
    }
    let mut bundle = sleeping(&case);
    bundle.config["linux"]["resources"]["memory"] = json!({"limit": 16 << 20, "swap": 16 << 20});
    // tail keeps all of a line that never ends.
    bundle.sh("head -c 200000000 /dev/zero | tail -n 1 | wc -c; exit 3");
    let output = case.run(&bundle).output();
    assert_ne!(output.stdout, "200000000\n", "{output}");
}

#[test]
fn processor_limits() {
    let Some(case) = Case::root() else { return };
    let Some((cpu, is_v2)) = controller("cpu") else { return };
    let mut bundle = sleeping(&case);
    bundle.config["linux"]["resources"]["cpu"] =
        json!({"quota": 50_000, "period": 200_000, "shares": 512});
    case.detach(&bundle);
    let expected = match is_v2 {
        true => [("cpu.max", "50000 200000\n"), ("cpu.weight", "59\n")].as_slice(),
        false => &[
            ("cpu.cfs_quota_us", "50000\n"),
            ("cpu.cfs_period_us", "200000\n"),
            ("cpu.shares", "512\n"),
        ],
    };
    for (file, text) in expected {
        assert_eq!(value(&case, &cpu, file), *text, "{file}");
    }
}

#[test]
fn the_number_of_tasks() {
    let Some(case) = Case::root() else { return };
    let Some((pids, _)) = controller("pids") else { return };
    let mut bundle = sleeping(&case);
    bundle.config["linux"]["resources"]["pids"] = json!({"limit": 7});
    case.detach(&bundle);
    assert_eq!(value(&case, &pids, "pids.max"), "7\n");
    case.delete_force();
    bundle.sh("for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo unlimited");
    let output = case.run(&bundle).output();
    assert!(output.stderr.contains("can't fork") && output.stdout.is_empty(), "{output}");
}

#[test]
fn controllers_are_enabled_on_the_way_down() {
    let Some(case) = Case::root() else { return };
    let Some((top, is_v2)) = controller("pids") else { return };
    if !is_v2 {
        return skip("the controllers of cgroup v1 are there without being enabled");
    }
    let mut bundle = sleeping(&case);
    // The folder that is there already belongs to somebody who has enabled nothing in it.
    let above = top.join(&case.id);
    fs::create_dir(&above).unwrap();
    bundle.config["linux"]["cgroupsPath"] = format!("/{}/a/b", case.id).into();
    bundle.config["linux"]["resources"]["pids"] = json!({"limit": 7});
    bundle.config["linux"]["resources"]["memory"] = json!({"limit": 64 << 20});
    case.detach(&bundle);
    for folder in [above.clone(), above.join("a")] {
        let enabled = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap();
        for name in ["pids", "memory"] {
            assert!(enabled.split_whitespace().any(|one| one == name), "{folder:?}: {enabled}");
        }
    }
    for (file, text) in [("pids.max", "7\n"), ("memory.max", "67108864\n")] {
        assert_eq!(fs::read_to_string(above.join("a/b").join(file)).unwrap(), text);
    }
    case.delete_force();
    assert!(!above.join("a/b").exists());
    // The folders above are the caller's.
    fs::remove_dir(above.join("a")).unwrap();
    fs::remove_dir(&above).unwrap();
}

/// Refuses a container in a cgroup that was frozen before, and leaves that as it is.
fn refuses_what_is_frozen(case: &Case, run: coble_tests::Cmd, folder: &Path, freeze: [&str; 3]) {
    let [file, frozen, thawed] = freeze;
    fs::create_dir(folder).unwrap();
    fs::write(folder.join(file), frozen).unwrap();
    let output = run.output();
    let now = fs::read_to_string(folder.join(file)).unwrap();
    fs::write(folder.join(file), thawed).unwrap();
    fs::remove_dir(folder).unwrap();
    output.refused(&["container's cgroup unexpectedly frozen"]);
    assert_eq!(now.trim_end(), frozen);
    case.assert_clean();
}

#[test]
fn a_frozen_cgroup_is_refused() {
    let Some(case) = Case::root() else { return };
    let v1 = Path::new("/sys/fs/cgroup/freezer");
    let bundle = sleeping(&case);
    if v1.join("tasks").exists() {
        let freeze = ["freezer.state", "FROZEN", "THAWED"];
        refuses_what_is_frozen(&case, case.run(&bundle), &v1.join(&case.id), freeze);
    } else if controller("pids").is_some() {
        let folder = Path::new("/sys/fs/cgroup").join(&case.id);
        let freeze = ["cgroup.freeze", "1", "0"];
        refuses_what_is_frozen(&case, case.run(&bundle), &folder, freeze);
    }
}

#[test]
fn v2_a_frozen_cgroup_is_refused() {
    let Some(case) = Case::root_v2() else { return };
    let beside = Path::new("/sys/fs/cgroup/unified");
    let top =
        if beside.join("cgroup.procs").exists() { beside } else { Path::new("/sys/fs/cgroup") };
    let bundle = sleeping(&case);
    bundle.write();
    let run = case.coble_v2().args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id);
    refuses_what_is_frozen(&case, run, &top.join(&case.id), ["cgroup.freeze", "1", "0"]);
}

#[test]
fn bad_limits_are_refused() {
    let Some(case) = Case::root() else { return };
    let mut bundle = sleeping(&case);
    for (resource, words) in [
        (json!({"cpu": {"quota": 1}}), "quota"),
        (json!({"cpu": {"cpus": "900-901"}}), "cpu"),
        (json!({"memory": {"limit": 64 << 20, "swap": 1 << 20}}), "swap"),
    ] {
        bundle.config["linux"]["resources"] = resource;
        let output = case.run(&bundle).output();
        assert_eq!(output.code, Some(1), "{output}");
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        assert!(output.stderr.contains(words), "{output}");
        case.assert_clean();
    }
}

#[test]
fn no_cgroup_outlives_its_container() {
    let Some(case) = Case::root() else { return };
    let mut bundle = sleeping(&case);
    for _ in 0..10 {
        bundle.sh("sleep 1000 & exit 0");
        case.run(&bundle).output().ok();
        case.assert_clean();
        bundle.sh("sleep 1000");
        case.detach(&bundle);
        case.delete_force();
        case.assert_clean();
    }
}

fn v2(case: &Case, words: &[&str], bundle: &Bundle) -> coble_tests::Output {
    bundle.write();
    case.coble_v2().args(words).arg("--bundle").arg(&bundle.path).arg(&case.id).output()
}

#[test]
fn v2_the_process_starts_in_its_cgroup() {
    let Some(case) = Case::root_v2() else { return };
    let bundle = sleeping(&case);
    v2(&case, &["run", "--detach"], &bundle).ok();
    let state = case.coble_v2().args(["state", &case.id]).output().stdout();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let table = fs::read_to_string(format!("/proc/{}/cgroup", state["pid"])).unwrap();
    assert!(table.contains(&format!("0::/{}", case.id)), "{table}");
    let output = case.coble_v2().args(["exec", &case.id, "cat", "/proc/self/cgroup"]).output();
    assert!(output.stdout().contains("0::/"), "exec enters it too");
    case.coble_v2().args(["delete", "--force", &case.id]).output().ok();
    case.assert_clean();
}

#[test]
fn v2_the_container_sees_its_own_cgroup_as_the_root() {
    let Some(case) = Case::root_v2() else { return };
    let mut bundle = sleeping(&case);
    bundle.namespace("cgroup").sh("cat /proc/self/cgroup; ls /sys/fs/cgroup/cgroup.procs");
    let said = v2(&case, &["run"], &bundle).stdout();
    assert!(said.contains("0::/\n") && said.ends_with("/sys/fs/cgroup/cgroup.procs\n"), "{said}");
    case.assert_clean();
}

#[test]
fn v2_device_rules_hold() {
    let Some(case) = Case::root_v2() else { return };
    let mut bundle = sleeping(&case);
    for set in ["bounding", "permitted", "effective"] {
        let list = bundle.list(&format!("/process/capabilities/{set}"));
        list.extend(["CAP_MKNOD".into(), "CAP_SYSLOG".into()]);
    }
    // Where the host keeps temporary files there may be no devices.
    bundle.mount("tmpfs", "tmpfs", "/tmp", &["nosuid"]);
    bundle.sh("mknod /tmp/d c 1 11 && head -c 0 < /tmp/d; \
         mknod /tmp/n c 1 3 && echo x > /tmp/n && echo null works");
    let output = v2(&case, &["run"], &bundle).ok();
    assert_eq!(output.stdout, "null works\n");
    assert!(output.stderr.contains("Operation not permitted"), "{output}");
    case.assert_clean();

    let rules = bundle.list("/linux/resources/devices");
    rules.push(json!({"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rwm"}));
    let output = v2(&case, &["run"], &bundle).ok();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("null works\n", ""), "{output}");
}

/// Before Linux 5.11 a program counts as locked memory. A limit is the whole process's, which may have other threads.
#[test]
fn v2_no_limit_of_the_process_is_changed_for_device_rules() {
    let Some(case) = Case::root_v2().filter(Case::has_strace) else { return };
    let mut bundle = sleeping(&case);
    bundle.args(&["head", "-c", "0", "/dev/null"]).write();
    let trace = case.dir.join("trace");
    // Children aren't followed: the program is loaded by one.
    let strace = case.tool_v2("strace").args(["-e", "trace=bpf,prlimit64,setrlimit", "-e"]);
    let strace = strace.arg("inject=bpf:error=EPERM:when=1").arg("-o").arg(&trace);
    let run = strace.arg(case.program()).arg("--root").arg(case.state_root());
    let run = run.args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id);
    let output = run.env("COBLE_WITHOUT", "bpf_memory_accounting").output();
    let may_lift = case.tool("prlimit").args(["--memlock=unlimited", "true"]).output();
    match may_lift.code {
        Some(0) => output.ok(),
        _ => output.refused(&["cannot load the device rules", "not permitted"]),
    };
    case.assert_clean();
    let trace = fs::read_to_string(&trace).unwrap();
    let calls = |what| trace.lines().filter(|line| line.contains(what)).count();
    assert_eq!(calls("BPF_PROG_LOAD"), 1, "it was refused: {trace}");
    assert_eq!(calls("RLIMIT_MEMLOCK"), 0, "{trace}");
}

#[test]
fn v2_leaves_no_cgroup() {
    let Some(case) = Case::root_v2() else { return };
    let mut bundle = sleeping(&case);
    bundle.sh("sleep 1000 & exit 6").without_namespace("pid");
    v2(&case, &["run"], &bundle).exits(6);
    case.assert_clean();
}

#[test]
fn v2_refuses_a_limit_whose_controller_is_missing() {
    let Some(case) = Case::root_v2() else { return };
    let view = "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && \
                cat /sys/fs/cgroup/cgroup.controllers";
    let unshare = case.tool("unshare").args(["--mount", "--propagation", "private", "sh", "-c"]);
    if unshare.arg(view).output().stdout().contains("pids") {
        return skip("cgroup v2 has the pids controller here");
    }
    let mut bundle = sleeping(&case);
    bundle.config["linux"]["resources"]["pids"] = json!({"limit": 7});
    v2(&case, &["run"], &bundle)
        .refused(&["controller pids is not available", "cgroup_no_v1=pids"]);
    case.assert_clean();
}

#[test]
fn v2_files_by_their_names() {
    let Some(case) = Case::root_v2() else { return };
    let mut bundle = sleeping(&case);
    bundle.config["linux"]["resources"]["unified"] =
        json!({"cgroup.max.depth": "3", "cgroup.max.descendants": "7"});
    let look =
        "cd /sys/fs/cgroup; cat cgroup.max.depth cgroup.max.descendants; cat /proc/self/cgroup";
    bundle.namespace("cgroup").sh(look);
    assert_eq!(
        v2(&case, &["run"], &bundle).stdout().lines().take(2).collect::<Vec<_>>(),
        ["3", "7"]
    );
    bundle.config["linux"]["resources"]["unified"] = json!({"cgroup.nothing": "1"});
    v2(&case, &["run"], &bundle).refused(&["/linux/resources/unified/cgroup.nothing"]);
    case.assert_clean();
}
