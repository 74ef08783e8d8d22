//! `exec --cgroup`: a further process in a cgroup below the container's.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::{Path, PathBuf};

use coble_tests::{Case, Output, skip};

/// A running container.
fn running(case: &Case) {
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000").namespace("cgroup");
    case.detach(&bundle);
}

/// The container's cgroups as the host names them: controllers and paths.
fn memberships(pid: u64) -> Vec<(String, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let line = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1).map(str::to_owned);
        (fields.next().unwrap(), fields.next().unwrap())
    };
    text.lines().map(line).collect()
}

/// The container's directory in the hierarchy of `controller`.
fn dir(case: &Case, controller: &str) -> Option<PathBuf> {
    let named = |names: &str| names.split(',').any(|name| name == controller);
    let (_, path) = memberships(case.pid()).into_iter().find(|(names, _)| named(names))?;
    let mount = Path::new("/sys/fs/cgroup").join(controller);
    mount.is_dir().then(|| mount.join(path.trim_start_matches('/')))
}

/// The container's directories of the v1 controllers memory and pids; otherwise the test is reported as skipped.
fn v1(case: &Case) -> Option<[PathBuf; 2]> {
    let found = dir(case, "memory").zip(dir(case, "pids"));
    if found.is_none() {
        skip("the controllers memory and pids are not mounted as cgroup v1");
    }
    found.map(|(memory, pids)| [memory, pids])
}

/// What the paths of a program that prints its cgroups end with, below the container's own; by controller.
fn said(case: &Case, flags: &[&str], controllers: &[&str]) -> Vec<String> {
    let output = case.exec_with(flags, &["cat", "/proc/self/cgroup"]).output().stdout();
    let path = |controller: &&str| {
        let line = output.lines().find(|line| line.split(':').nth(1).unwrap() == *controller);
        let line = line.unwrap_or_else(|| panic!("no {controller} in {output}"));
        line.splitn(3, ':').nth(2).unwrap().trim_start_matches('/').to_owned()
    };
    controllers.iter().map(path).collect()
}

fn fails(case: &Case, flags: &[&str], words: &[&str]) {
    let output = case.exec_with(flags, &["true"]).output();
    output.fails(255, &[&["exec failed"], words].concat());
    let left = case.coble().args(["ps", "-f", "json", &case.id]).output().stdout();
    assert_eq!(left.matches(',').count(), 0, "a process is left: {left}");
}

#[test]
fn v1_controllers_have_paths_of_their_own() {
    let Some(case) = Case::root() else { return };
    running(&case);
    let Some([memory, pids]) = v1(&case) else { return };
    fs::create_dir(memory.join("m")).unwrap();
    fs::create_dir_all(pids.join("p/deep")).unwrap();
    // From inside, the cgroup namespace has the container's own as its root.
    let of = |flags: &[&str]| said(&case, flags, &["memory", "pids"]);
    assert_eq!(of(&[]), ["", ""]);
    assert_eq!(of(&["--cgroup", "/"]), ["", ""]);
    assert_eq!(of(&["--cgroup", "memory:m"]), ["m", ""]);
    assert_eq!(of(&["--cgroup", "memory:m", "--cgroup", "pids:/p//deep/"]), ["m", "p/deep"]);
    assert_eq!(of(&["--cgroup", "memory,pids:/"]), ["", ""]);
    fs::create_dir(pids.join("m")).unwrap();
    assert_eq!(of(&["--cgroup", "memory,pids:m"]), ["m", "m"]);
}

#[test]
fn v1_one_path_for_all() {
    let Some(case) = Case::root() else { return };
    running(&case);
    if v1(&case).is_none() {
        return;
    }
    for (names, _) in memberships(case.pid()) {
        let name = match names.split(',').next().unwrap() {
            "" => "unified",
            name => name.trim_start_matches("name="),
        };
        let mount = Path::new("/sys/fs/cgroup").join(name);
        if name == "unified" && !mount.exists() {
            // The kernel has version 2, and nothing is mounted that shows it.
            continue;
        }
        let path =
            memberships(case.pid()).into_iter().find(|(other, _)| *other == names).unwrap().1;
        let sub = mount.join(path.trim_start_matches('/')).join("all");
        fs::create_dir(&sub).unwrap();
        // Nothing can run in a cpuset without processors and memory nodes.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if name == "cpuset" {
                fs::write(sub.join(file), "0").unwrap();
            }
        }
    }
    assert_eq!(said(&case, &["--cgroup", "all"], &["memory", "pids"]), ["all", "all"]);
}

#[test]
fn v1_what_can_not_be_meant() {
    let Some(case) = Case::root() else { return };
    running(&case);
    if v1(&case).is_none() {
        return;
    }
    let missing = " adding pid ";
    fails(&case, &["--cgroup", ".."], &["bad sub cgroup path: .."]);
    fails(&case, &["--cgroup", "pids:a/../../b"], &["bad sub cgroup path: a/../../b"]);
    fails(
        &case,
        &["--cgroup", "pids:missing"],
        &[missing, "to cgroups", "o such file or directory"],
    );
    fails(&case, &["--cgroup", "missing"], &[missing, "to cgroups", "o such file or directory"]);
    fails(&case, &["--cgroup", "whaaat:/"], &["unknown controller whaaat"]);
    fails(&case, &["--cgroup", "pids:/", "--cgroup", "x"], &["invalid --cgroup argument: x"]);
    fails(&case, &["--cgroup", "pids:/", "--cgroup", "pids:/"], &["specified multiple times"]);
    assert_eq!(case.status(), "running");
}

/// A running container with cgroup v2 alone that may make cgroups; `None`, reported as skipped, without rights.
fn v2() -> Option<Case> {
    let case = Case::root()?;
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000").namespace("cgroup");
    let mounts = bundle.list("/mounts");
    let cgroups = mounts.iter_mut().find(|mount| mount["destination"] == "/sys/fs/cgroup").unwrap();
    cgroups["options"] = serde_json::json!(["nosuid", "noexec", "nodev", "rw"]);
    bundle.write();
    let path = bundle.path.to_str().unwrap();
    let run = case.coble_v2().args(["run", "--detach", "--bundle", path, &case.id]);
    run.output().ok();
    Some(case)
}

/// Its cgroup is where this view alone has it.
fn delete_v2(case: &Case) {
    case.coble_v2().args(["delete", "--force", &case.id]).output().ok();
}

fn exec_v2(case: &Case, flags: &[&str], line: &str) -> Output {
    let exec = case.coble_v2().arg("exec").args(flags);
    exec.arg(&case.id).args(["sh", "-euc", line]).output()
}

#[test]
fn v2_the_process_starts_where_it_is_told_to() {
    let Some(case) = v2() else { return };
    let own = "grep '^0::' /proc/self/cgroup";
    let of = |flags: &[&str]| exec_v2(&case, flags, own).stdout();
    exec_v2(&case, &[], "mkdir -p /sys/fs/cgroup/a/b").ok();
    assert_eq!(of(&[]), "0::/\n");
    assert_eq!(of(&["--cgroup", "/"]), "0::/\n");
    assert_eq!(of(&["--cgroup", "a"]), "0::/a\n");
    assert_eq!(of(&["--cgroup", "/a/b/"]), "0::/a/b\n");
    let fails = |path: &str, words: &[&str]| {
        let output = exec_v2(&case, &["--cgroup", path], "true");
        output.fails(255, &[&["exec failed"], words].concat());
    };
    fails("..", &["bad sub cgroup path: .."]);
    fails("a/../..", &["bad sub cgroup path: a/../.."]);
    fails("missing", &["can't open cgroup", "o such file or directory"]);
    fails("memory:a", &["unknown controller memory"]);
    let file = exec_v2(&case, &["--cgroup", "a/cgroup.procs"], "true");
    file.fails(255, &["can't open cgroup", "ot a directory"]);
    delete_v2(&case);
}

#[test]
fn v2_the_process_is_made_in_its_cgroup() {
    let Some(case) = v2() else { return };
    if !case.has_strace() {
        return delete_v2(&case);
    }
    exec_v2(&case, &[], "mkdir /sys/fs/cgroup/a").ok();
    let trace = case.dir.join("trace");
    for flags in [&[][..], &["--cgroup", "a"]] {
        let strace = case.tool_v2("strace").args(["-f", "-e", "trace=clone3,openat,open,write"]);
        let exec = strace.arg("-o").arg(&trace).arg(case.program()).arg("--root");
        let exec = exec.arg(case.state_root()).arg("exec").args(flags);
        exec.args([case.id.as_str(), "cat", "/proc/self/cgroup"]).output().ok();
        let trace = fs::read_to_string(&trace).unwrap();
        assert!(trace.contains("CLONE_INTO_CGROUP"), "{flags:?}: {trace}");
        // A move costs a lock of all processes, and there would be a moment outside.
        assert!(!trace.contains("cgroup.procs"), "{flags:?}: {trace}");
    }
    delete_v2(&case);
}

#[test]
fn v2_the_first_process_is_followed_unless_a_cgroup_is_named() {
    let Some(case) = v2() else { return };
    let own = "grep '^0::' /proc/self/cgroup";
    // A controller for the cgroups below, which this machine may have given to v1.
    let go = "cd /sys/fs/cgroup; mkdir gone; echo 1 > gone/cgroup.procs; echo $$ > gone/cgroup.procs; \
              for c in $(cat cgroup.controllers); do echo +$c > cgroup.subtree_control || true; done; \
              cat cgroup.subtree_control";
    let enabled = exec_v2(&case, &[], go).stdout();
    assert_eq!(exec_v2(&case, &["--cgroup", "gone"], own).stdout(), "0::/gone\n");
    if enabled.trim().is_empty() {
        delete_v2(&case);
        return skip("cgroup v2 has no controller here that a cgroup can have for those below");
    }
    assert_eq!(exec_v2(&case, &[], own).stdout(), "0::/gone\n");
    let named = exec_v2(&case, &["--cgroup", "/"], "true");
    named.fails(255, &[" adding pid ", " to cgroups", "evice or resource busy"]);
    delete_v2(&case);
}
