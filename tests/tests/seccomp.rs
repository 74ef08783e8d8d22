//! Filters of system calls, as the programs under them find them.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::PermissionsExt;

use coble_tests::{Bundle, Case};
use serde_json::{Value, json};

/// Directories can be made in `/tmp`, if the filter lets it.
const MKDIR: &str = "mkdir /tmp/made";

fn filtered(case: &Case, script: &str, filter: Value) -> Bundle {
    let mut bundle = case.bundle();
    bundle.writable();
    bundle.sh(script);
    bundle.config["linux"]["seccomp"] = filter;
    bundle
}

/// Everything is allowed but making directories.
fn without_mkdir(action: &str) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": action}]})
}

#[test]
fn a_denied_call_fails_with_the_error_number() {
    let Some(case) = Case::root() else { return };
    let mut filter = without_mkdir("SCMP_ACT_ERRNO");
    let mut bundle = filtered(&case, MKDIR, filter.clone());
    case.run(&bundle).output().fails(1, &["Operation not permitted"]);
    filter["syscalls"][0]["errnoRet"] = json!(28);
    bundle.config["linux"]["seccomp"] = filter;
    case.run(&bundle).output().fails(1, &["No space left on device"]);
    bundle.config["linux"]["seccomp"] = without_mkdir("SCMP_ACT_ALLOW");
    case.run(&bundle).output().ok();
    assert!(bundle.inside("/tmp/made").is_dir());
}

#[test]
fn other_ways_to_deny() {
    let Some(case) = Case::root() else { return };
    const SIGSYS: i32 = 31;
    let script = format!("{MKDIR}; exit $?");
    let mut bundle = filtered(&case, &script, json!(null));
    for action in
        ["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP"]
    {
        bundle.config["linux"]["seccomp"] = without_mkdir(action);
        let output = case.run(&bundle).output();
        assert_eq!(output.code, Some(128 + SIGSYS), "{action}: {output}");
    }
    // Without a tracer the call isn't there.
    bundle.config["linux"]["seccomp"] = without_mkdir("SCMP_ACT_TRACE");
    case.run(&bundle).output().fails(1, &["Function not implemented"]);
    bundle.config["linux"]["seccomp"] = without_mkdir("SCMP_ACT_LOG");
    case.run(&bundle).output().ok();
}

#[test]
fn arguments_decide() {
    let Some(case) = Case::root() else { return };
    let rule = json!({
        "names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7,
        "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}],
    });
    let filter = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]});
    let script = "trap 'echo usr2' USR2; kill -USR2 $$; kill -USR1 $$";
    let bundle = filtered(&case, script, filter);
    let output = case.run(&bundle).output();
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), "usr2\n"), "{output}");
    assert!(output.stderr.contains("Argument list too long"), "{output}");
}

/// A profile has to allow what the program needs, and nothing of what coble needs but execve(2). busybox asks for these
/// before it writes.
#[test]
fn only_the_program_runs_under_it() {
    let Some(case) = Case::root() else { return };
    let needed = [
        "execve",
        "brk",
        "arch_prctl",
        "set_tid_address",
        "set_robust_list",
        "rseq",
        "prlimit64",
        "readlink",
        "readlinkat",
        "getrandom",
        "mprotect",
        "prctl",
        "uname",
        "getuid",
        "geteuid",
        "getgid",
        "getegid",
        "setuid",
        "setgid",
        "fstat",
        "newfstatat",
        "ioctl",
        "write",
        "exit_group",
        "mmap",
        "munmap",
        "rt_sigaction",
    ];
    let rule = json!({"names": needed, "action": "SCMP_ACT_ALLOW"});
    let filter = json!({"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": [rule]});
    let mut bundle = filtered(&case, "", filter);
    bundle.args(&["echo", "under it"]);
    for no_new_privileges in [true, false] {
        bundle.config["process"]["noNewPrivileges"] = no_new_privileges.into();
        for (uid, hooks) in [(0, false), (1000, false), (0, true)] {
            bundle.config["process"]["user"] = json!({"uid": uid, "gid": uid});
            let hook = json!([{"path": "/bin/sh", "args": ["sh", "-c", "echo hook > /tmp/hook"]}]);
            bundle.config["hooks"] =
                if hooks { json!({"startContainer": hook}) } else { json!({}) };
            let output = case.run(&bundle).output().ok();
            assert_eq!(output.stdout, "under it\n");
            assert_eq!(bundle.inside("/tmp/hook").exists(), hooks);
            // The same through `create` and `start`, which wait in between.
            case.create(&bundle).output().ok();
            case.verb(&["start"]).output().ok();
            case.until_stopped();
            case.delete_force();
            let _ = fs::remove_file(bundle.inside("/tmp/hook"));
        }
    }
}

#[test]
fn capabilities_are_no_more_than_without_it() {
    let Some(case) = Case::root() else { return };
    let status = "grep -E 'Cap|NoNew' /proc/self/status";
    let mut bundle = filtered(&case, status, without_mkdir("SCMP_ACT_ERRNO"));
    for uid in [0, 1000] {
        bundle.config["process"]["user"] = json!({"uid": uid, "gid": uid});
        for no_new_privileges in [true, false] {
            bundle.config["process"]["noNewPrivileges"] = no_new_privileges.into();
            let with = case.run(&bundle).output().ok().stdout;
            let section = bundle.config["linux"]["seccomp"].take();
            bundle.config["linux"].as_object_mut().unwrap().remove("seccomp");
            assert_eq!(with, case.run(&bundle).output().ok().stdout, "{uid} {no_new_privileges}");
            bundle.config["linux"]["seccomp"] = section;
        }
    }
}

#[test]
fn an_exec_runs_under_the_same() {
    let Some(case) = Case::root() else { return };
    let mut bundle = filtered(&case, "sleep 1000", without_mkdir("SCMP_ACT_ERRNO"));
    for no_new_privileges in [true, false] {
        bundle.config["process"]["noNewPrivileges"] = no_new_privileges.into();
        case.detach(&bundle);
        let status = "grep Seccomp /proc/1/status /proc/self/status | cut -d: -f3";
        let told = case.exec(&["sh", "-c", status]).output().ok().stdout;
        let told: Vec<&str> = told.split_whitespace().collect();
        assert_eq!(told, ["2", "1", "2", "1"], "mode and number of filters");
        case.exec(&["mkdir", "/tmp/made"]).output().fails(1, &["Operation not permitted"]);
        case.exec_with(&["--user", "1000"], &["mkdir", "/tmp/made"])
            .output()
            .fails(1, &["Operation not permitted"]);
        case.delete_force();
    }
}

#[test]
fn a_container_whose_filter_is_lost_has_no_further_process() {
    let Some(case) = Case::root() else { return };
    case.detach(&filtered(&case, "sleep 1000", without_mkdir("SCMP_ACT_ERRNO")));
    let path = case.state_root().join(&case.id).join("filter");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 4]).unwrap();
    case.exec(&["true"]).output().fails(255, &["filter: not a filter of system calls"]);
    fs::remove_file(&path).unwrap();
    case.exec(&["true"]).output().fails(255, &["filter", "no such file"]);
    fs::write(&path, whole).unwrap();
    case.exec(&["true"]).output().ok();
}

#[test]
fn unknown_calls_are_passed_over_or_refused() {
    let Some(case) = Case::root() else { return };
    let mut filter = without_mkdir("SCMP_ACT_ERRNO");
    filter["syscalls"][0]["names"] = json!(["mkdir", "mkdirat", "time_travel"]);
    let mut bundle = filtered(&case, "exit 3", filter);
    assert_eq!(case.run(&bundle).output().code, Some(3));
    bundle.config["annotations"]["run.oci.seccomp_fail_unknown_syscall"] = "1".into();
    let words = ["/linux/seccomp/syscalls/0/names/2: \"time_travel\" is no system call"];
    case.run(&bundle).output().refused(&words);
}

/// A plain user's container is in a user namespace, where its first process may load filters.
#[test]
fn a_plain_user_has_filters() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = filtered(&case, MKDIR, without_mkdir("SCMP_ACT_ERRNO"));
    for no_new_privileges in [true, false] {
        bundle.config["process"]["noNewPrivileges"] = no_new_privileges.into();
        case.run(&bundle).output().fails(1, &["Operation not permitted"]);
    }
}

#[test]
fn an_exec_that_the_filter_kills_is_told_too() {
    let Some(case) = Case::root() else { return };
    let bundle =
        filtered(&case, "sleep 1000", denied(&["mkdir", "mkdirat"], "SCMP_ACT_KILL_PROCESS"));
    case.detach(&bundle);
    let output = case.exec(&["mkdir", "/tmp/made"]).output().exits(128 + 31);
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    assert!(output.stderr.contains("warning: SIGSYS ended the process"), "{output}");
    // Somebody else may have sent another signal.
    let other = case.exec(&["sh", "-c", "kill -9 $$"]).output().exits(128 + 9);
    assert_eq!(other.stderr, "");
}

/// What a program with a missing interpreter fails with: execve(2) itself, when the filter is in force already.
fn runs_script(bundle: &mut Bundle) {
    let script = bundle.inside("/bin/script");
    fs::write(&script, "#!/nothing\n").unwrap();
    fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    bundle.args(&["script"]);
}

fn denied(calls: &[&str], action: &str) -> Value {
    let rule = json!({"names": calls, "action": action});
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
}

/// The error of execve(2) is told, though the filter denies what the executor would rather do then.
#[test]
fn a_failure_under_the_filter_is_told() {
    let Some(case) = Case::root() else { return };
    const WORDS: &str = "exec /bin/script: no such file or directory";
    let calls = ["exit", "exit_group", "write", "writev", "close", "kill", "rt_sigaction"];
    let mut bundle = filtered(&case, "", json!(null));
    for action in ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"] {
        runs_script(&mut bundle);
        bundle.config["linux"]["seccomp"] = denied(&calls, action);
        case.run(&bundle).output().fails(1, &[WORDS]);
        case.create(&bundle).output().ok();
        case.verb(&["start"]).output().fails(1, &[WORDS]);
        case.until_stopped();
        case.delete();
        // busybox doesn't need them to sleep.
        bundle.args(&["sleep", "1000"]);
        case.detach(&bundle);
        case.exec(&["script"]).output().fails(255, &[WORDS]);
        case.delete_force();
    }
}

/// One that denies execve(2) only under conditions isn't refused: nobody knows where the arguments will lie.
#[test]
fn a_filter_that_denies_the_program_itself_ends_it() {
    let Some(case) = Case::root() else { return };
    let condition = json!([{"index": 0, "value": 1, "op": "SCMP_CMP_GT"}]);
    let mut filter = denied(&["execve"], "SCMP_ACT_ERRNO");
    filter["syscalls"][0]["args"] = condition;
    let mut bundle = filtered(&case, "true", filter.clone());
    const WORDS: &str = "exec /bin/sh: operation not permitted";
    case.run(&bundle).output().fails(1, &[WORDS]);
    case.create(&bundle).output().ok();
    case.verb(&["start"]).output().fails(1, &[WORDS]);
    case.delete_force();
    // Killed it can't tell anything; what waits for it can.
    const KILLED: &str =
        "warning: SIGSYS ended the process, as its system call filter does for some calls";
    for action in ["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"] {
        filter["syscalls"][0]["action"] = action.into();
        bundle.config["linux"]["seccomp"] = filter.clone();
        let output = case.run(&bundle).output().exits(128 + 31);
        assert!(output.stderr.contains(KILLED), "{action}: {output}");
        case.create(&bundle).output().ok();
        case.verb(&["start"]).output().ok();
        case.until_stopped();
        case.delete();
    }
    // Nor can it where the filter denies the way to the one who waits.
    let silent = ["sendto", "sendmsg", "write", "exit_group"];
    runs_script(&mut bundle);
    bundle.config["linux"]["seccomp"] = denied(&silent, "SCMP_ACT_KILL_PROCESS");
    assert!(case.run(&bundle).output().exits(128 + 31).stderr.contains(KILLED));
    bundle.config["linux"]["seccomp"] = denied(&silent, "SCMP_ACT_ERRNO");
    const SIGILL: i32 = 4;
    assert_eq!(case.run(&bundle).output().code, Some(128 + SIGILL));
}
