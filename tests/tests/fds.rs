//! Descriptors: those that are kept on purpose, and all others.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use coble_tests::{Bundle, Case, Cmd};

/// The runtime's `run` after a shell has opened descriptors: `redirections` is in the shell's language.
fn run_with(case: &Case, redirections: &str, flags: &[&str], bundle: &Bundle) -> Cmd {
    bundle.write();
    let script = format!("exec {redirections}; exec \"$@\"");
    let run = case.tool("bash").args(["-c", &script, "bash"]).arg(case.program()).arg("--root");
    run.arg(case.state_root()).arg("run").args(flags).arg("-b").arg(&bundle.path).arg(&case.id)
}

#[test]
fn descriptors_of_the_caller_are_not_passed_on() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["ls", "/proc/self/fd"]);
    let run = run_with(&case, "3</etc 4</etc/passwd 7</ 19</proc 200</etc", &[], &bundle);
    assert_eq!(run.output().stdout(), "0\n1\n2\n3\n", "3 is the folder that ls reads");
}

#[test]
fn descriptors_are_not_passed_on_without_close_range() {
    let Some(case) = Case::root_v2().filter(Case::has_strace) else { return };
    let opened = case.file("opened", "");
    // What is open above a limit stays open when that is lowered.
    let script = format!(
        "ulimit -n $(ulimit -Hn); exec 3<{0} 900<{0}; eval ulimit -Sn \"$1\"; shift; exec \"$@\"",
        opened.display()
    );
    let trace = case.dir.join("trace");
    let mut bundle = case.bundle();
    bundle.args(&["ls", "/proc/self/fd"]).write();
    let run = |shell: Cmd, limit: &str, error: &str| {
        let shell = shell.args(["-c", &script, "bash", limit, "strace", "-f", "-qq"]);
        let inject = format!("inject=close_range:error={error}");
        let strace = shell.args(["-e", "trace=close_range,close,fcntl", "-e", &inject, "-o"]);
        let run = strace.arg(&trace).arg(case.program()).arg("--root").arg(case.state_root());
        let run = run.args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id);
        assert_eq!(run.output().stdout(), "0\n1\n2\n3\n", "3 is the folder that ls reads");
        let calls = std::fs::read_to_string(&trace).unwrap();
        assert!(calls.contains("(INJECTED)"), "{calls}");
        assert!(calls.lines().count() < 1000, "as many calls as the limit allows");
    };
    // Linux 5.10 can't mark them; a sandbox of the caller's may know no such call, or refuse it.
    for error in ["EINVAL:when=1", "ENOSYS", "EPERM"] {
        for limit in ["100", "$(ulimit -Hn)"] {
            // With a child that goes on at once, and with one that waits (v1).
            run(case.tool_v2("bash"), limit, error);
            run(case.tool("bash"), limit, error);
        }
    }
}

#[test]
fn descriptors_are_kept_on_request() {
    let Some(case) = Case::root() else { return };
    let secret = case.file("secret", "kept\n");
    let mut bundle = case.bundle();
    bundle.sh("cat <&4; ls /proc/$$/fd; echo ${LISTEN_FDS-none}");
    let redirections = format!("3</dev/null 4<{} 5</etc/passwd", secret.display());
    let run = run_with(&case, &redirections, &["--preserve-fds", "2"], &bundle);
    let said = run.output().stdout();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "kept");
    assert_eq!(lines[lines.len() - 1], "none");
    let fds: Vec<&str> = lines[1..lines.len() - 1].to_vec();
    // The shell may hold one of its own at 10 or above.
    let low: Vec<&str> = fds.into_iter().filter(|fd| fd.len() == 1).collect();
    assert_eq!(low, ["0", "1", "2", "3", "4"]);
}

#[test]
fn a_descriptor_that_is_not_there_cannot_be_kept() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    let run = run_with(&case, "3</dev/null 4<&-", &["--preserve-fds", "2"], &bundle);
    case.refuses(run, &["unable to stat preserved-fd 2 (of 2)"]);
}

#[test]
fn sockets_are_handed_on_as_systemd_does() {
    let Some(case) = Case::root() else { return };
    let given = case.file("given", "given\n");
    let kept = case.file("kept", "kept\n");
    let mut bundle = case.bundle();
    bundle.sh("cat <&3; cat <&4; echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES");
    bundle.write();
    let script = format!(
        "exec 3<{} 4<{}; export LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=web; exec \"$@\"",
        given.display(),
        kept.display()
    );
    let run = case.tool("bash").args(["-c", &script, "bash"]).arg(case.program()).arg("--root");
    let run = run.arg(case.state_root()).args(["run", "--preserve-fds", "1", "-b"]);
    let said = run.arg(&bundle.path).arg(&case.id).output().stdout();
    assert_eq!(said, "given\nkept\n1 1 web\n");
}

#[test]
fn sockets_for_somebody_else_are_not_handed_on() {
    let Some(case) = Case::root() else { return };
    let secret = case.file("secret", "secret\n");
    let mut bundle = case.bundle();
    bundle.sh("ls /proc/self/fd; echo ${LISTEN_FDS-none}").write();
    let script = format!("exec 3<{}; LISTEN_FDS=1 LISTEN_PID=1 exec \"$@\"", secret.display());
    let run = case.tool("bash").args(["-c", &script, "bash"]).arg(case.program()).arg("--root");
    let run = run.arg(case.state_root()).args(["run", "-b"]).arg(&bundle.path).arg(&case.id);
    assert_eq!(run.output().stdout(), "0\n1\n2\n3\nnone\n");
}

#[test]
fn exec_keeps_descriptors_too() {
    let Some(case) = Case::root() else { return };
    let kept = case.file("kept", "kept\n");
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let exec = |flags: &[&str], script: &str| {
        let redirect = format!("exec 3<{} 4</etc; exec \"$@\"", kept.display());
        let exec = case.tool("bash").args(["-c", &redirect, "bash"]).arg(case.program());
        let exec = exec.arg("--root").arg(case.state_root()).arg("exec").args(flags).arg(&case.id);
        exec.args(["sh", "-c", script]).output().stdout()
    };
    assert_eq!(exec(&["--preserve-fds", "1"], "cat <&3"), "kept\n");
    assert_eq!(exec(&[], "ls /proc/self/fd"), "0\n1\n2\n3\n");
}
