//! What a run tells of its program's system calls: those that were denied, and the least profile that is enough.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::Path;

use coble_tests::{Bundle, Case, wait};
use rustix::process::Signal;
use serde_json::{Value, json};

const MKDIR: &str = "mkdir /tmp/made";

fn bundle(case: &Case, script: &str, profile: Value) -> Bundle {
    let mut bundle = case.bundle();
    bundle.writable();
    set(&mut bundle, script, profile);
    bundle
}

/// Runs something else, under another profile or under none.
fn set(bundle: &mut Bundle, script: &str, profile: Value) {
    bundle.sh(script);
    bundle.config["linux"].as_object_mut().unwrap().remove("seccomp");
    if !profile.is_null() {
        bundle.config["linux"]["seccomp"] = profile;
    }
    bundle.write();
}

fn denying(names: &[&str], action: &str) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": names, "action": action}]})
}

fn json_in(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The folder has this and nothing that was begun.
fn holds(folder: &Path, names: &[&str]) {
    let found: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(found, names);
}

/// A hook that waits for the program, which waits for the answer to a call.
#[test]
fn calls_are_answered_while_poststart_hooks_run() {
    let Some(case) = Case::root() else { return };
    let script = format!("{MKDIR} 2>/dev/null; echo waited for > /tmp/made; exec sleep 0.2");
    let profile = denying(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO");
    let mut bundle = bundle(&case, &script, profile);
    let file = bundle.inside("/tmp/made");
    let wait =
        |status| format!("until [ -e {} ]; do sleep 0.05; done; exit {status}", file.display());
    let recorded = format!("--seccomp-record={}", case.dir.join("recorded").display());
    for flag in ["--seccomp-report", &recorded] {
        for (status, said) in [(0, None), (7, Some("poststart hook #0: /bin/sh: exit status 7"))] {
            fs::remove_file(&file).ok();
            bundle.config["hooks"] = json!({});
            bundle.hook("poststart", &wait(status));
            bundle.config["hooks"]["poststart"][0]["timeout"] = json!(60);
            let output = case.run_with(&bundle, &[flag]).output();
            match said {
                None => output.ok(),
                Some(words) => output.fails(1, &[words]),
            };
        }
        bundle.config["hooks"]["poststart"] = json!([]);
        bundle.hook("poststart", "exec sleep 1000");
        bundle.config["hooks"]["poststart"][0]["timeout"] = json!(1);
        let words = ["still running after 1 s, its timeout, and killed"];
        case.run_with(&bundle, &[flag]).output().fails(1, &words);
        case.assert_clean();
    }
}

#[test]
fn denied_calls_are_told_and_fail_all_the_same() {
    let Some(case) = Case::root() else { return };
    let mut profile = denying(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO");
    profile["syscalls"][0]["errnoRet"] = json!(28);
    let script = format!("{MKDIR}; {MKDIR}; {MKDIR}; exit 7");
    let bundle = bundle(&case, &script, profile);
    let plain = case.run(&bundle).output().exits(7);
    let told = case.run_with(&bundle, &["--seccomp-report"]).output().exits(7);
    assert!(told.stderr.contains("No space left on device"), "{told}");
    let lines: Vec<&str> =
        told.stderr.lines().filter(|line| line.starts_with("seccomp: ")).collect();
    let [line] = lines[..] else { panic!("{told}") };
    assert!(line.starts_with("seccomp: mkdir"), "{line}");
    assert!(line.contains(") failed with ENOSPC, 3 times, first in \"mkdir\", process "), "{line}");
    // All else is the same.
    assert_eq!(told.stderr.replace(&format!("{line}\n"), ""), plain.stderr);

    let folder = case.folder("reports");
    let flag = format!("--seccomp-report={}", folder.join("denied.json").display());
    let quiet = case.run_with(&bundle, &[&flag]).output().exits(7);
    assert_eq!(quiet.stderr, plain.stderr);
    let report = json_in(&folder.join("denied.json"));
    let denied = report["denied"].as_array().unwrap();
    assert_eq!((denied.len(), &report["others"]), (1, &json!(0)), "{report}");
    assert_eq!(denied[0]["count"], 3);
    assert_eq!(
        (&denied[0]["action"], &denied[0]["errno"]),
        (&json!("SCMP_ACT_ERRNO"), &json!("ENOSPC"))
    );
    assert_eq!(denied[0]["architecture"], "SCMP_ARCH_X86_64");
    assert_eq!(denied[0]["process"], "mkdir");
    assert!(denied[0]["call"].as_str().unwrap().starts_with("mkdir"));
    assert!(denied[0]["args"].as_array().unwrap().contains(&json!("0x1ff")), "the mode: {report}");
    holds(&folder, &["denied.json"]);
}

#[test]
fn a_report_that_nobody_can_read_changes_nothing() {
    let Some(case) = Case::root() else { return };
    let bundle = bundle(&case, "exit 7", denying(&["rmdir"], "SCMP_ACT_ERRNO"));
    let (program, root) = (case.program().to_owned(), case.state_root());
    let lost = case.tool("sh").args(["-c", "exec \"$@\" 2>/dev/full", "sh"]);
    let lost = lost.arg(program).arg("--root").arg(root);
    let lost = lost.args(["run", "--seccomp-report", "--bundle"]).arg(&bundle.path).arg(&case.id);
    lost.output().exits(7);
    case.assert_clean();
}

#[test]
fn nothing_denied_is_said_too() {
    let Some(case) = Case::root() else { return };
    let bundle = bundle(&case, MKDIR, denying(&["rmdir"], "SCMP_ACT_ERRNO"));
    let output = case.run_with(&bundle, &["--seccomp-report"]).output().ok();
    assert_eq!(output.stderr, "seccomp: no call was denied\n");
}

/// The status is that of the kernel's own kill: of the first process, and of one below it.
#[test]
fn a_call_that_kills_is_told_and_kills() {
    let Some(case) = Case::root() else { return };
    const KILLED: i32 = 128 + 31;
    let mut bundle = bundle(&case, "", json!(null));
    for action in ["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD"] {
        for script in ["exec mkdir /tmp/made", "mkdir /tmp/made; exit $?"] {
            set(&mut bundle, script, denying(&["mkdir", "mkdirat"], action));
            let plain = case.run(&bundle).output();
            assert_eq!(plain.code, Some(KILLED), "{plain}");
            let told = case.run_with(&bundle, &["--seccomp-report"]).output();
            assert_eq!(told.code, Some(KILLED), "{action} {script}: {told}");
            let words = format!(") ended by {action}, once, first in \"mkdir\"");
            assert!(told.stderr.contains(&words), "{told}");
            assert!(!bundle.inside("/tmp/made").exists());
        }
    }
    case.assert_clean();
}

#[test]
fn what_is_recorded_is_enough_and_no_more() {
    let Some(case) = Case::root() else { return };
    let folder = case.folder("profiles");
    let file = folder.join("profile.json");
    let flag = format!("--seccomp-record={}", file.display());
    let script = "echo said; cat /proc/self/status > /dev/null; (exit 3); kill -0 $$; sleep 0.01";
    let mut bundle = bundle(&case, script, json!(null));
    let output = case.run_with(&bundle, &[&flag]).output().ok();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("said\n", ""));
    holds(&folder, &["profile.json"]);
    let profile = json_in(&file);
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    assert_eq!(profile["architectures"], json!(["SCMP_ARCH_X86_64"]));
    let names = profile["syscalls"][0]["names"].as_array().unwrap().clone();
    for name in ["execve", "write", "kill", "exit_group"] {
        assert!(names.contains(&json!(name)), "{name}: {names:?}");
    }
    for name in ["mkdir", "mkdirat", "ptrace", "mount", "socket"] {
        assert!(!names.contains(&json!(name)), "{name}: {names:?}");
    }
    assert!(names.len() < 60, "{names:?}");
    // The same runs, something else doesn't.
    set(&mut bundle, script, profile.clone());
    for _ in 0..5 {
        case.run(&bundle).output().ok();
    }
    set(&mut bundle, MKDIR, profile);
    case.run(&bundle).output().fails(1, &["Operation not permitted"]);

    // A second run adds to it.
    set(&mut bundle, MKDIR, json!(null));
    case.run_with(&bundle, &[&flag, "--merge"]).output().ok();
    fs::remove_dir(bundle.inside("/tmp/made")).unwrap();
    for script in [script, MKDIR] {
        set(&mut bundle, script, json_in(&file));
        case.run(&bundle).output().ok();
    }
    // Without --merge it is begun anew.
    set(&mut bundle, "echo", json!(null));
    case.run_with(&bundle, &[&flag]).output().ok();
    set(&mut bundle, MKDIR, json_in(&file));
    case.run(&bundle).output().fails(1, &["not permitted"]);
}

#[test]
fn the_containers_profile_decides_while_another_is_recorded() {
    let Some(case) = Case::root() else { return };
    let folder = case.folder("profiles");
    let file = folder.join("profile.json");
    let kill = json!({
        "names": ["kill"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7,
        "args": [{"index": 1, "value": 10, "op": "SCMP_CMP_EQ"}],
    });
    let mut profile = denying(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO");
    profile["syscalls"][0]["errnoRet"] = json!(28);
    profile["syscalls"].as_array_mut().unwrap().push(kill);
    let script = format!("trap 'echo usr2' USR2; kill -USR2 $$; kill -USR1 $$; {MKDIR}; echo end");
    let mut watched = bundle(&case, &script, profile);
    let plain = case.run(&watched).output();
    assert_eq!(plain.stdout, "usr2\nend\n");
    let flags = [&*format!("--seccomp-record={}", file.display()), "--seccomp-report"];
    let output = case.run_with(&watched, &flags).output();
    assert_eq!((output.code, &output.stdout), (plain.code, &plain.stdout), "{output}");
    assert!(output.stderr.contains("seccomp: kill("), "{output}");
    set(&mut watched, &script, json_in(&file));
    let again = case.run(&watched).output();
    assert_eq!(
        (again.code, &again.stdout, &again.stderr),
        (plain.code, &plain.stdout, &plain.stderr)
    );
}

#[test]
fn many_processes_and_signals_are_kept_up_with() {
    let Some(case) = Case::root() else { return };
    let script = "i=0; while [ $i -lt 60 ]; do (cat /dev/null | cat | cat) & i=$((i+1)); done; wait; \
                  trap 'echo term; exit 5' TERM; (sleep 0.05; kill -TERM $$) & while :; do sleep 1; done";
    let mut bundle = bundle(&case, script, json!(null));
    let file = case.folder("profiles").join("profile.json");
    let flag = format!("--seccomp-record={}", file.display());
    let output = case.run_with(&bundle, &[&flag]).output().exits(5);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("term\n", ""));
    set(&mut bundle, script, json_in(&file));
    case.run(&bundle).output().exits(5);
    case.assert_clean();
}

/// Something stops at any time, and still signals are passed on.
#[test]
fn busy_programs_keep_no_signal_waiting() {
    let Some(case) = Case::root() else { return };
    let script = "trap 'exit 5' TERM; for i in 1 2 3 4 5 6 7 8; do \
                  (while :; do cd /; done) & done; echo busy > /tmp/busy; wait";
    let bundle = bundle(&case, script, json!(null));
    let file = case.folder("profiles").join("profile.json");
    let run = case.run_with(&bundle, &[&format!("--seccomp-record={}", file.display())]).spawn();
    wait::until("the program", || bundle.inside("/tmp/busy").exists());
    run.signal(Signal::TERM);
    run.wait().exits(5);
    assert!(json_in(&file)["syscalls"].is_array());
    case.assert_clean();
}

#[test]
fn others_in_the_container_are_not_looked_at() {
    let Some(case) = Case::root() else { return };
    let bundle = bundle(&case, "sleep 1000", denying(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO"));
    let run = case.run_with(&bundle, &["--seccomp-report"]).spawn();
    wait::until("it runs", || case.verb(&["state"]).output().stdout.contains("running"));
    case.exec(&["sh", "-c", MKDIR]).output().fails(1, &["Operation not permitted"]);
    case.verb(&["kill"]).arg("KILL").output().ok();
    let output = run.wait().exits(137);
    assert!(output.stderr.contains("no call was denied"), "{output}");
}

#[test]
fn plain_users_can_look_too() {
    let Some(case) = Case::plain() else { return };
    let folder = case.folder("profiles");
    let file = folder.join("profile.json");
    let bundle = bundle(&case, MKDIR, denying(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO"));
    let flags = [&*format!("--seccomp-record={}", file.display()), "--seccomp-report"];
    let output = case.run_with(&bundle, &flags).output();
    assert!(output.exits(1).stderr.contains("failed with EPERM, once"));
    assert!(json_in(&file)["syscalls"].is_array());
}

#[test]
fn commands_of_their_own() {
    let Some(case) = Case::root() else { return };
    let folder = case.folder("profiles");
    let (profile, denied) = (folder.join("profile.json"), folder.join("denied.json"));
    let bundle = bundle(&case, MKDIR, denying(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO"));
    let run = |words: &[&str], file: Option<&Path>| {
        let command = case.coble().args(words);
        let command = match file {
            Some(file) => command.arg("--output").arg(file),
            None => command,
        };
        command.args(["--", "--bundle"]).arg(&bundle.path).arg(&case.id).output()
    };
    let output = run(&["seccomp", "denied"], None).exits(1);
    assert!(output.stderr.contains("failed with EPERM, once"), "{output}");
    run(&["seccomp", "denied"], Some(&denied)).exits(1);
    assert_eq!(json_in(&denied)["denied"][0]["count"], 1);
    run(&["seccomp", "record"], Some(&profile)).exits(1);
    run(&["seccomp", "record", "--merge"], Some(&profile)).exits(1);
    case.coble().args(["seccomp", "check"]).arg(&profile).output().ok();
    run(&["seccomp", "record"], None).fails(1, &["--output is missing"]);
}

#[test]
fn try_is_looked_at_too() {
    let Some(case) = Case::root() else { return };
    let output =
        case.coble().args(["try", "--seccomp-report", "--", "unshare", "--user", "true"]).output();
    assert!(output.stderr.contains("seccomp: unshare(0x10000000"), "{output}");
    assert!(output.exits(1).stderr.contains("failed with EPERM, once"));
}

#[test]
fn what_can_not_be_looked_at_is_refused() {
    let Some(case) = Case::root() else { return };
    let folder = case.folder("profiles");
    let file = folder.join("profile.json");
    let record = format!("--seccomp-record={}", file.display());
    let mut bundle = bundle(&case, MKDIR, denying(&["rmdir"], "SCMP_ACT_ERRNO"));
    let refuses = |bundle: &Bundle, flags: &[&str], words: &str| {
        case.refuses(case.run_with(bundle, flags), &[words]);
        holds(&folder, &[]);
    };
    refuses(&bundle, &[&record, "--detach"], "who stays until the program has ended");
    refuses(&bundle, &["--merge"], "--merge needs --seccomp-record");
    refuses(&bundle, &["--seccomp-record="], "--seccomp-record: no file");
    refuses(&bundle, &["--seccomp-record=/none/profile.json"], "no such file or directory");
    refuses(&bundle, &["--seccomp-report=/"], "not the name of a file");
    set(&mut bundle, MKDIR, denying(&["rmdir"], "SCMP_ACT_TRACE"));
    refuses(&bundle, &[&record], "leaves calls to a tracer can't be looked at");
    set(&mut bundle, MKDIR, denying(&["rmdir"], "SCMP_ACT_NOTIFY"));
    bundle.config["linux"]["seccomp"]["listenerPath"] = "/run/agent".into();
    refuses(&bundle, &[&record], "leaves calls to an agent can't be looked at");
    set(&mut bundle, MKDIR, json!(null));
    refuses(&bundle, &["--seccomp-report"], "no profile denies anything");
    // What is no profile isn't overwritten.
    fs::write(&file, "{").unwrap();
    case.refuses(case.run_with(&bundle, &[&record, "--merge"]), &[file.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{");
    holds(&folder, &["profile.json"]);
}
