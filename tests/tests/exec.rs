//! `exec`: a further process in a running container.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Bundle, Case, wait};
use serde_json::json;

/// A running container, and its bundle.
fn running(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000").writable();
    case.detach(&bundle);
    bundle
}

#[test]
fn output_input_and_exit_status() {
    let Some(case) = Case::root() else { return };
    running(&case);
    let output = case.exec(&["sh", "-c", "cat; echo error >&2; exit 7"]);
    let output = output.stdin(b"input\n").output().exits(7);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("input\n", "error\n"));
    case.exec(&["true"]).output().ok();
    case.exec(&["sh", "-c", "kill -KILL $$"]).output().exits(137);
    case.exec(&["sh", "-c", "kill -TERM $$"]).output().exits(143);
}

#[test]
fn arguments_after_the_id_are_the_programs() {
    let Some(case) = Case::root() else { return };
    running(&case);
    let words = ["--env", "two words", "", "-t", "naïve 🛶"];
    let args: Vec<&str> = ["printf", "[%s]"].into_iter().chain(words).collect();
    let expected: String = words.iter().map(|word| format!("[{word}]")).collect();
    assert_eq!(case.exec(&args).output().stdout(), expected);
}

#[test]
fn it_runs_in_the_containers_namespaces_and_cgroup() {
    let Some(case) = Case::root() else { return };
    running(&case);
    for file in ["pid", "net", "mnt", "ipc", "uts", "cgroup", "user"] {
        let inside = fs::read_link(format!("/proc/{}/ns/{file}", case.pid())).unwrap();
        let said = case.exec(&["readlink", &format!("/proc/self/ns/{file}")]).output().stdout();
        assert_eq!(said.trim_end(), inside.to_str().unwrap());
    }
    // As the host sees it: from inside, a cgroup namespace cuts the paths short.
    let mut exec = case.exec(&["sh", "-c", "echo ready; sleep 1000"]).spawn();
    exec.says("ready\n");
    let cgroup = |pid: u64| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let told = case.coble().args(["ps", "-f", "json", &case.id]).output().stdout();
    let pids: Vec<u64> = serde_json::from_str(&told).unwrap();
    assert!(pids.len() > 1, "{told}");
    for pid in pids {
        assert_eq!(cgroup(pid), cgroup(case.pid()));
    }
    exec.signal(rustix::process::Signal::TERM);
    exec.wait();
    let said = case.exec(&["sh", "-c", "ps; ls /; pwd; true"]).output().stdout();
    assert!(said.contains("sleep 1000") && !said.contains("boot\n"), "{said}");
}

#[test]
fn environment_folder_and_user() {
    let Some(case) = Case::root() else { return };
    running(&case);
    let env = ["--env", "A=1", "-e", "B=two words", "--cwd", "/tmp"];
    let said = case.exec_with(&env, &["sh", "-c", "echo $A; echo $B; pwd; echo $TERM"]).output();
    assert_eq!(said.stdout(), "1\ntwo words\n/tmp\nxterm\n");
    let who = ["sh", "-c", "id -u; id -g; echo $HOME"];
    let said = |user: &str| case.exec_with(&["--user", user], &who).output().stdout();
    assert_eq!(said("1000:7"), "1000\n7\n/home/guest\n");
    assert_eq!(said("1000"), "1000\n0\n/home/guest\n");
    let groups = ["--user", "1000:1000", "-g", "5", "--additional-gids", "6"];
    let said = case.exec_with(&groups, &["grep", "Groups", "/proc/self/status"]).output().stdout();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["Groups:", "5", "6"]);
}

#[test]
fn a_user_that_is_no_number_is_refused() {
    let Some(case) = Case::root() else { return };
    running(&case);
    for user in
        ["guest", "1000:guest", "", ":", "1000:", "-1", "4294967296", "1000:0:0", "0x10", " 1"]
    {
        let output = case.exec_with(&[&format!("--user={user}")], &["id", "-u"]).output();
        if user.is_empty() {
            continue;
        }
        assert_eq!(output.code, Some(255), "{user:?}: {output}");
        assert_eq!((output.stdout.as_str(), output.stderr.lines().count()), ("", 1), "{output}");
    }
}

#[test]
fn a_process_file_says_everything() {
    let Some(case) = Case::root() else { return };
    let bundle = running(&case);
    let mut process = bundle.config["process"].clone();
    process["args"] =
        json!(["sh", "-c", "id -u; pwd; echo $ONLY; umask; grep CapBnd /proc/self/status"]);
    process["env"] = json!(["PATH=/bin", "ONLY=this"]);
    process["cwd"] = "/etc".into();
    process["user"] = json!({"uid": 1000, "gid": 1000, "umask": 0o077});
    process["capabilities"] = json!({"bounding": ["CAP_KILL"]});
    let file = case.file("process.json", &process.to_string());
    let exec = case.coble().args(["exec", "--process"]).arg(&file).arg(&case.id);
    let expected = "1000\n/etc\nthis\n0077\nCapBnd:\t0000000000000020\n";
    assert_eq!(exec.output().stdout(), expected);
}

#[test]
fn a_process_file_without_a_word_on_rights_leaves_those_of_the_container() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["capabilities"] = json!({ "bounding": ["CAP_KILL"] });
    bundle.config["process"]["rlimits"] =
        json!([{ "type": "RLIMIT_NOFILE", "soft": 99, "hard": 100 }]);
    bundle.config["process"]["user"]["umask"] = json!(0o077);
    bundle.config["process"]["oomScoreAdj"] = json!(321);
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let line = "ulimit -n; umask; cat /proc/self/oom_score_adj; grep CapBnd /proc/self/status";
    let process = json!({ "args": ["sh", "-c", line], "cwd": "/", "env": ["PATH=/bin"] });
    let file = case.file("process.json", &process.to_string());
    let exec = case.coble().args(["exec", "--process"]).arg(&file).arg(&case.id);
    let expected = "99\n0077\n321\nCapBnd:\t0000000000000020\n";
    assert_eq!(exec.output().stdout(), expected);
}

#[test]
fn bad_process_files_are_refused() {
    let Some(case) = Case::root() else { return };
    let bundle = running(&case);
    let refused = |text: &str, words: &[&str]| {
        let file = case.file("process.json", text);
        let exec = case.coble().args(["exec", "--process"]).arg(&file).arg(&case.id);
        let words: Vec<&str> = ["exec failed"].iter().chain(words).copied().collect();
        exec.output().fails(255, &words);
    };
    refused("{", &["line 1", "column 1"]);
    refused(r#"{"args": [7], "cwd": "/"}"#, &["/args/0"]);
    refused(r#"{"args": [], "cwd": "/"}"#, &["args must not be empty"]);
    refused(r#"{"args": ["id"], "cwd": "tmp"}"#, &["Cwd must be an absolute path"]);
    let mut process = bundle.config["process"].clone();
    process["rlimits"] = json!([{"type": "RLIMIT_MOON", "soft": 1, "hard": 1}]);
    refused(&process.to_string(), &["RLIMIT_MOON"]);
    let missing = case.dir.join("missing.json");
    let exec = case.coble().args(["exec", "--process"]).arg(&missing).arg(&case.id);
    exec.output().fails(255, &["exec failed", "missing.json", "no such file or directory"]);
}

#[test]
fn failures_of_exec_itself_give_255() {
    let Some(case) = Case::root() else { return };
    let bundle = running(&case);
    let fails = |args: &[&str], words: &[&str]| {
        let words: Vec<&str> = ["exec failed"].iter().chain(words).copied().collect();
        case.exec(args).output().fails(255, &words);
    };
    fails(&["nothing-here"], &["exec: \"nothing-here\": executable file not found in $PATH"]);
    fails(&["/bin/nothing"], &["exec: \"/bin/nothing\"", "no such file or directory"]);
    fails(&["/etc"], &["exec: \"/etc\"", "directory"]);
    fs::write(bundle.inside("/bin/plain"), "text").unwrap();
    fails(&["/bin/plain"], &["exec: \"/bin/plain\"", "permission denied"]);
    fails(&[], &["args"]);
    let cwd = case.exec_with(&["--cwd", "relative"], &["pwd"]);
    cwd.output().fails(255, &["Cwd must be an absolute path"]);
    assert_eq!(case.status(), "running", "the container isn't touched");
    assert_eq!(case.verb(&["ps", "--format", "json"]).output().stdout().matches(',').count(), 0);
}

#[test]
fn exec_does_not_make_its_folder() {
    let Some(case) = Case::root() else { return };
    let bundle = running(&case);
    let exec = case.exec_with(&["--cwd", "/gone"], &["pwd"]);
    exec.output().fails(255, &["exec failed", "/gone", "no such file or directory"]);
    assert!(!bundle.inside("/gone").exists());
}

#[test]
fn a_container_that_does_not_run_is_refused() {
    let Some(case) = Case::root() else { return };
    case.exec(&["true"]).output().fails(255, &["exec failed", "container does not exist"]);
    let bundle = case.bundle();
    case.detach(&bundle);
    case.until_stopped();
    case.exec(&["true"]).output().fails(255, &["cannot exec in a stopped container"]);
}

#[test]
fn a_created_container_can_be_entered() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    case.create(&bundle).output().ok();
    assert_eq!(case.exec(&["echo", "inside"]).output().stdout(), "inside\n");
    assert_eq!(case.status(), "created");
}

#[test]
fn detach_returns_and_the_pid_file_names_the_process() {
    let Some(case) = Case::root() else { return };
    let bundle = running(&case);
    let file = case.dir.join("pid");
    let flags = ["--detach", "--pid-file", file.to_str().unwrap()];
    case.exec_with(&flags, &["sh", "-c", "echo > /tmp/ran; exec sleep 999"]).output().ok();
    let pid = fs::read_to_string(&file).unwrap();
    wait::until("the process to run", || bundle.inside("/tmp/ran").exists());
    wait::until("sleep", || {
        fs::read(format!("/proc/{pid}/cmdline")).unwrap() == b"sleep\x00999\x00"
    });
    let pids = case.verb(&["ps", "--format", "json"]).output().stdout();
    assert!(pids.contains(&pid), "{pids}");
    case.delete_force();
    case.assert_clean();
}

#[test]
fn signals_to_exec_reach_its_process() {
    let Some(case) = Case::root() else { return };
    running(&case);
    let script =
        "trap 'exit 9' TERM; trap 'echo got USR1' USR1; echo ready; while :; do sleep 0.02; done";
    let mut exec = case.exec(&["sh", "-c", script]).spawn();
    exec.says("ready\n");
    exec.signal(rustix::process::Signal::USR1);
    exec.says("got USR1\n");
    exec.signal(rustix::process::Signal::TERM);
    exec.wait().exits(9);
    assert_eq!(case.status(), "running");
}

#[test]
fn exec_ends_when_its_container_does() {
    let Some(case) = Case::root() else { return };
    running(&case);
    let mut exec = case.exec(&["sh", "-c", "echo ready; sleep 1000"]).spawn();
    exec.says("ready\n");
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    exec.wait().exits(137);
}

/// The fields of `/proc/self/status` that begin with `field`.
fn status(case: &Case, flags: &[&str], field: &str) -> String {
    case.exec_with(flags, &["grep", field, "/proc/self/status"]).output().stdout()
}

#[test]
fn an_added_capability_is_ambient_where_it_is_inheritable() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["capabilities"] = json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL"], "inheritable": ["CAP_CHOWN", "CAP_KILL"],
    });
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let ambient = |cap: &str| status(&case, &["--cap", cap], "CapAmb");
    assert_eq!(ambient("CAP_KILL"), "CapAmb:\t0000000000000020\n");
    assert_eq!(ambient("CAP_NET_RAW"), "CapAmb:\t0000000000000000\n");
}

#[test]
fn capabilities_are_the_containers_and_never_inheritable() {
    let Some(case) = Case::root() else { return };
    running(&case);
    let default = "0000000020000420";
    let expected = |caps: &str| {
        format!(
            "CapInh:\t0000000000000000\nCapPrm:\t{caps}\nCapEff:\t{caps}\nCapBnd:\t{caps}\n\
             CapAmb:\t0000000000000000\n"
        )
    };
    assert_eq!(status(&case, &[], "Cap"), expected(default));
    assert_eq!(status(&case, &["--cap", "CAP_CHOWN"], "Cap"), expected("0000000020000421"));
    let user = ["--cap", "CAP_CHOWN", "--user", "1000"];
    let said = status(&case, &user, "Cap");
    assert!(said.contains("CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"), "{said}");
}

#[test]
fn no_new_privileges_and_limits_are_the_containers() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["noNewPrivileges"] = false.into();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    assert_eq!(status(&case, &[], "NoNewPrivs"), "NoNewPrivs:\t0\n");
    assert_eq!(status(&case, &["--no-new-privs"], "NoNewPrivs"), "NoNewPrivs:\t1\n");
    assert_eq!(status(&case, &["--no-new-privs=false"], "NoNewPrivs"), "NoNewPrivs:\t0\n");
    let said = case.exec(&["sh", "-c", "ulimit -n"]).output().stdout();
    assert_eq!(said, "1024\n");
}

#[test]
fn only_the_streams_are_open() {
    let Some(case) = Case::root() else { return };
    running(&case);
    assert_eq!(case.exec(&["ls", "/proc/self/fd"]).output().stdout(), "0\n1\n2\n3\n");
}

#[test]
fn exec_enters_a_user_namespace() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.user_namespace(100_000, 65536).sh("sleep 1000");
    case.give_rootfs(&bundle, 100_000);
    case.detach(&bundle);
    let said = case.exec(&["sh", "-c", "id -u; id -g; cat /proc/self/uid_map"]).output().stdout();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["0", "0", "0", "100000", "65536"]);
}

#[test]
fn many_at_once_never_hang() {
    let Some(case) = Case::root() else { return };
    running(&case);
    for _ in 0..10 {
        let execs: Vec<_> = (0..8).map(|_| case.exec(&["true"]).spawn()).collect();
        for exec in execs {
            exec.wait().ok();
        }
    }
}

/// What a security module that is off can't do is not left out.
#[test]
fn labels_of_a_security_module_that_is_off_are_refused() {
    let Some(case) = Case::root() else { return };
    running(&case);
    let on = |path: &str| fs::read_to_string(path).is_ok_and(|text| text.starts_with(['Y', '1']));
    if !on("/sys/module/apparmor/parameters/enabled") {
        let exec = case.exec_with(&["--apparmor", "docker-default"], &["true"]);
        exec.output().fails(255, &["exec failed", "apparmor"]);
    }
    if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
        let exec = case.exec_with(&["--process-label", "system_u:system_r:x:s0"], &["true"]);
        exec.output().fails(255, &["exec failed", "selinux"]);
    }
}
