//! Containers with other namespaces, cgroups and users.

use std::fs;

use coble_tests::{Bundle, Case, Cmd, wait};

use crate::{make, plain, root, runc, running, state};

fn namespaces(case: &Case) -> String {
    let kinds = ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"];
    let link = |kind: &str| {
        let path = fs::read_link(format!("/proc/{}/ns/{kind}", case.pid())).unwrap();
        format!("{}\n", path.display())
    };
    kinds.into_iter().map(link).collect()
}

/// `exec` is where the container's own process is.
fn exec_is_inside(case: &Case) {
    let line =
        "cd /proc/self/ns; for kind in user pid mnt net ipc uts cgroup; do readlink $kind; done";
    assert_eq!(case.exec(&["sh", "-c", line]).output().stdout(), namespaces(case));
}

#[test]
fn every_namespace_is_joined() {
    let Some(case) = root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000").namespace("cgroup");
    make(&case, &["run", "--detach"], &bundle).output().ok();
    exec_is_inside(&case);
}

#[test]
fn a_user_namespace() {
    let Some(case) = root() else { return };
    let mut bundle = case.bundle();
    bundle.writable().user_namespace(100_000, 65536).without_namespace("cgroup");
    bundle.sh("sleep 1000");
    chown(&case, &bundle);
    make(&case, &["create"], &bundle).output().ok();
    assert_eq!(case.status(), "created");
    case.verb(&["start"]).output().ok();
    exec_is_inside(&case);
    let said = case.exec(&["sh", "-c", "id -u; cat /proc/self/uid_map"]).output().stdout();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["0", "0", "100000", "65536"]);
    let said = case.exec_with(&["--user", "5:6"], &["id"]).output().stdout();
    assert!(said.starts_with("uid=5") && said.contains("gid=6"), "{said}");
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    case.delete();
    case.assert_clean();
}

fn chown(case: &Case, bundle: &Bundle) {
    case.give_rootfs(bundle, 100_000);
}

/// A container whose processes are in the host's pid namespace, one of them in the background.
fn without_pids(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.writable().without_namespace("pid").sh("sleep 1000 & echo > /tmp/ready; sleep 1000");
    make(case, &["run", "--detach"], &bundle).output().ok();
    wait::until("the processes", || bundle.inside("/tmp/ready").exists());
    bundle
}

#[test]
fn without_a_pid_namespace_kill_reaches_all() {
    let Some(case) = root() else { return };
    without_pids(&case);
    exec_is_inside(&case);
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    wait::until("the end of all", || {
        case.verb(&["ps", "--format", "json"]).output().stdout() == "[]\n"
    });
    case.delete();
    case.assert_clean();
}

#[test]
fn without_a_pid_namespace_delete_ends_what_is_left() {
    let Some(case) = root() else { return };
    without_pids(&case);
    let pid = case.pid().to_string();
    case.tool("kill").args(["-KILL", &pid]).output().ok();
    case.until_stopped();
    case.delete();
    case.assert_clean();
}

/// runc in the same view as [`Case::coble_v2`].
fn runc_v2(case: &Case) -> Cmd {
    case.tool_v2("runc").arg("--root").arg(case.state_root())
}

#[test]
fn pure_cgroup_v2() {
    let Some(case) = root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000").write();
    let make = runc_v2(&case).args(["run", "--detach", "-b"]).arg(&bundle.path).arg(&case.id);
    make.output().ok();
    let coble = |words: &[&str]| case.coble_v2().args(words).output();
    let said = coble(&["state", &case.id]).stdout();
    assert!(said.contains("\"running\""), "{said}");
    let exec = case.coble_v2().args(["exec", &case.id, "sh", "-c", "echo ready; sleep 1000"]);
    let mut exec = exec.spawn();
    exec.says("ready\n");
    let told = runc_v2(&case).args(["ps", "--format", "json", &case.id]).output().stdout();
    let pids: Vec<u64> = serde_json::from_str(&told).unwrap();
    assert!(pids.len() > 1, "{told}");
    let ours = coble(&["ps", "--format", "json", &case.id]).stdout();
    assert_eq!(serde_json::from_str::<Vec<u64>>(&ours).unwrap().len(), pids.len());
    runc_v2(&case).args(["pause", &case.id]).output().ok();
    assert!(coble(&["state", &case.id]).stdout().contains("\"paused\""));
    coble(&["delete", "--force", &case.id]).ok();
    exec.wait();
    case.assert_clean();
}

#[test]
fn a_cgroup_that_can_not_be_seen_is_not_passed_over() {
    let Some(case) = root() else { return };
    if !std::path::Path::new("/sys/fs/cgroup/unified").exists() {
        return coble_tests::skip("cgroup v2 alone is what this machine has");
    }
    running(&case);
    let output = case.coble_v2().args(["delete", "--force", &case.id]).output();
    output.fails(
        1,
        &["state.json: /cgroup_paths: cannot understand /sys/fs/cgroup/", "no cgroup of"],
    );
    assert_eq!(case.status(), "running");
}

#[test]
fn a_plain_users() {
    let Some(case) = plain() else { return };
    let mut bundle = case.bundle();
    bundle.writable().sh("echo > /tmp/ran; sleep 1000").without_namespace("cgroup");
    make(&case, &["create"], &bundle).output().ok();
    assert_eq!(case.status(), "created");
    case.verb(&["start"]).output().ok();
    wait::until("the program", || bundle.inside("/tmp/ran").exists());
    assert_eq!(case.state(), state(&case));
    exec_is_inside(&case);
    let exec = |runtime: Cmd| runtime.args(["exec", &case.id, "cat", "/proc/self/setgroups"]);
    assert_eq!(exec(case.coble()).output().stdout(), exec(runc(&case)).output().stdout());
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    case.delete();
    case.assert_clean();
}
