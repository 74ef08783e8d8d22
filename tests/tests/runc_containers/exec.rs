//! A further process in a container of runc.

use std::fs;

use coble_tests::{Case, Terminal, exit_code};
use serde_json::json;

use crate::{make, root, runc, running, verb};

/// What a process sees of itself, without what differs from one process to the next.
const LOOK: &str = "id; pwd; env | sort; ulimit -a; cat /proc/self/oom_score_adj; \
    cat /proc/self/cgroup; grep -E 'Cap|NoNew|Seccomp:|Groups|SigBlk|Cpus_allowed:' /proc/self/status; \
    for kind in /proc/self/ns/*; do readlink $kind; done; cat /proc/self/personality; ls /; ls /dev";

/// Lines that both processes say of themselves.
fn same(case: &Case, flags: &[&str]) {
    let by = |runtime: coble_tests::Cmd| {
        let exec = runtime.arg("exec").args(flags).arg(&case.id).args(["sh", "-c", LOOK]);
        exec.output().stdout()
    };
    let (of_coble, of_runc) = (by(case.coble()), by(runc(case)));
    let differs = of_coble.lines().zip(of_runc.lines()).find(|(coble, runc)| coble != runc);
    assert_eq!(differs, None, "{flags:?}");
    assert_eq!(of_coble, of_runc);
}

#[test]
fn a_process_is_like_one_of_runc() {
    let Some(case) = root() else { return };
    let mut bundle = case.bundle();
    bundle.writable().sh("sleep 1000").env("FROM=bundle");
    let process = &mut bundle.config["process"];
    process["cwd"] = "/etc".into();
    process["user"] = json!({"uid": 1000, "gid": 7, "umask": 0o027, "additionalGids": [5, 6]});
    // A soft limit of open files below the hard one is raised by the Go runtime of runc 1.1, now and then (runc#4195).
    process["rlimits"] = json!([{"type": "RLIMIT_CORE", "hard": 9216, "soft": 4096},
        {"type": "RLIMIT_NOFILE", "hard": 512, "soft": 512}]);
    process["oomScoreAdj"] = 77.into();
    process["capabilities"]["bounding"] = json!(["CAP_KILL", "CAP_CHOWN"]);
    make(&case, &["run", "--detach"], &bundle).output().ok();
    same(&case, &[]);
    same(&case, &["--user", "0"]);
    same(&case, &["--user", "5:9", "--env", "A=1", "--env", "B=two words", "--cwd", "/tmp"]);
    same(&case, &["--user", "1000", "--additional-gids", "12"]);
    same(&case, &["--user", "0", "--cap", "CAP_SYS_ADMIN"]);
    // As runc does from 1.2 on; runc 1.1 forgets it.
    assert_eq!(case.exec(&["sh", "-c", "umask"]).output().stdout(), "0027\n");
}

#[test]
fn without_new_privileges_and_with_them() {
    let Some(case) = root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    bundle.config["process"]["noNewPrivileges"] = false.into();
    make(&case, &["run", "--detach"], &bundle).output().ok();
    same(&case, &[]);
    same(&case, &["--no-new-privs"]);
}

#[test]
fn input_output_and_exit_status() {
    let Some(case) = root() else { return };
    running(&case);
    let exec = case.exec(&["sh", "-c", "cat; echo error >&2; exit 7"]);
    let output = exec.stdin(b"input\n").output().exits(7);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("input\n", "error\n"));
    case.exec(&["nothing-here"]).output().fails(255, &["executable file not found in $PATH"]);
}

#[test]
fn a_terminal_of_the_containers_own() {
    let Some(case) = root() else { return };
    running(&case);
    let setsid = case.tool("setsid").args(["--ctty", "--wait"]).arg(case.program());
    let exec = setsid.arg("--root").arg(case.state_root()).args(["exec", "-t", &case.id]);
    let (terminal, child) = Terminal::run(exec.args(["sh", "-c", "tty; stty size; exit 5"]));
    assert_eq!(exit_code(child, &terminal), Some(5), "{}", terminal.screen());
    assert!(terminal.screen().contains("/dev/pts/0\r\n24 80\r\n"), "{}", terminal.screen());
}

#[test]
fn a_whole_process_comes_from_its_file_alone() {
    let Some(case) = root() else { return };
    let bundle = running(&case);
    let mut process = bundle.config["process"].clone();
    process["args"] = json!(["sh", "-c", "id -u; pwd; echo $ONLY"]);
    process["env"] = json!(["PATH=/bin", "ONLY=this"]);
    process["cwd"] = "/etc".into();
    process["user"] = json!({"uid": 1000, "gid": 1000});
    let file = case.file("process.json", &process.to_string());
    fs::remove_file(bundle.path.join("config.json")).unwrap();
    let exec = case.coble().args(["exec", "--process"]).arg(&file).arg(&case.id);
    assert_eq!(exec.output().stdout(), "1000\n/etc\nthis\n");
}

#[test]
fn a_process_is_seen_and_counted_where_runc_would_put_it() {
    let Some(case) = root() else { return };
    running(&case);
    let mut exec = case.exec(&["sh", "-c", "echo ready; sleep 1000"]).spawn();
    exec.says("ready\n");
    let told = verb(&case, &["ps", "--format", "json"]).output().stdout();
    let pids: Vec<u64> = serde_json::from_str(&told).unwrap();
    assert!(pids.len() > 1, "{told}");
    let cgroup = |pid: u64| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    for pid in pids {
        assert_eq!(cgroup(pid), cgroup(case.pid()));
    }
    case.coble().args(["kill", "--all", &case.id, "KILL"]).output().ok();
    assert_eq!(exec.wait().code, Some(137));
}

#[test]
fn a_further_process_has_the_same_filter() {
    let Some(case) = root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    bundle.config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]
    });
    make(&case, &["run", "--detach"], &bundle).output().ok();
    let denied = ["No space left on device"];
    case.exec(&["mkdir", "/dev/shm/x"]).output().fails(1, &denied);
    let mut process = bundle.config["process"].clone();
    process["args"] = json!(["mkdir", "/dev/shm/x"]);
    let process = case.file("process.json", &process.to_string());
    let exec = case.coble().args(["exec", "--process"]).arg(&process).arg(&case.id);
    exec.output().fails(1, &denied);
    case.exec(&["true"]).output().ok();
}
