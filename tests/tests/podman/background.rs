//! Containers in the background, from their start to their end.

use coble_tests::podman::Podman;
use coble_tests::{Terminal, exit_code};
use serde_json::Value;

/// It ends on SIGTERM, as process 1 has to ask for.
const IDLE: &str = "trap 'echo goodbye; exit 9' TERM; echo ready; while :; do sleep 0.1; done";

#[test]
fn logs_and_stop() {
    let Some(podman) = Podman::new() else { return };
    podman.detach("idle", &[], &format!("echo err >&2; {IDLE}"));
    podman.until_logged("idle", "ready");
    podman.says(&["stop", "--time", "50", "idle"]);
    assert_eq!(podman.says(&["inspect", "--format", "{{.State.ExitCode}}", "idle"]), "9");
    let logs = podman.cli(&["logs", "idle"]).output().ok();
    assert_eq!((logs.stdout.as_str(), logs.stderr.as_str()), ("ready\ngoodbye\n", "err\n"));
}

#[test]
fn a_stubborn_container_is_killed() {
    let Some(podman) = Podman::new() else { return };
    podman.detach("deaf", &[], "trap '' TERM; echo ready; sleep 1000");
    podman.until_logged("deaf", "ready");
    podman.says(&["stop", "--time", "1", "deaf"]);
    assert_eq!(podman.says(&["inspect", "--format", "{{.State.ExitCode}}", "deaf"]), "137");
}

#[test]
fn signals_reach_it_and_it_starts_again() {
    let Some(podman) = Podman::new() else { return };
    podman.detach("idle", &[], &format!("trap 'echo got usr1' USR1; {IDLE}"));
    podman.until_logged("idle", "ready");
    podman.says(&["kill", "--signal", "USR1", "idle"]);
    podman.until_logged("idle", "got usr1");
    podman.says(&["kill", "--signal", "KILL", "idle"]);
    assert_eq!(podman.says(&["wait", "idle"]), "137");
    podman.says(&["start", "idle"]);
    podman.says(&["restart", "--time", "50", "idle"]);
    let listed = podman.says(&["ps", "--format", "{{.Names}} {{.Status}}"]);
    assert!(listed.starts_with("idle Up "), "{listed}");
    podman.says(&["rm", "--force", "--time", "0", "idle"]);
    assert_eq!(podman.says(&["ps", "--all", "--quiet"]), "");
}

#[test]
fn exec_in_a_running_container() {
    let Some(podman) = Podman::new() else { return };
    podman.detach("idle", &[], IDLE);
    let exec = |args: &[&str]| podman.cli(&["exec"]).args(args).output();
    exec(&["idle", "sh", "-c", "exit 9"]).exits(9);
    let flags = ["--user=1000:5", "--workdir=/tmp", "--env=A=b", "idle"];
    let said = exec(&[&flags[..], &["sh", "-c", "id -u; id -g; pwd; echo $A"]].concat()).stdout();
    assert_eq!(said, "1000\n5\n/tmp\nb\n");
    let output = exec(&["idle", "nothing"]).exits(127);
    assert!(output.stderr.contains("executable file not found in $PATH"), "{output}");
    let output = exec(&["idle", "/etc/passwd"]).exits(126);
    assert!(output.stderr.contains("permission denied"), "{output}");
    exec(&["--detach", "idle", "touch", "/tmp/made"]).ok();
    exec(&["idle", "sh", "-c", "until [ -e /tmp/made ]; do sleep 0.1; done"]).ok();
    let command = podman.on_terminal(&["exec", "--interactive", "--tty", "idle", "sh"]);
    let (mut terminal, child) = Terminal::run(command);
    terminal.shows("# ");
    terminal.types("test -t 0 && echo result=$((6 * 7)); exit 4\n");
    assert_eq!(exit_code(child, &terminal), Some(4), "{}", terminal.screen());
    terminal.shows("result=42");
}

#[test]
fn what_is_told_of_a_container() {
    let Some(podman) = Podman::new() else { return };
    podman.detach("idle", &[], "exec sleep 1234");
    let told: Value = serde_json::from_str(&podman.says(&["inspect", "idle"])).unwrap();
    assert_eq!(told[0]["OCIRuntime"].as_str(), podman.case.program().to_str());
    assert_eq!(told[0]["State"]["Status"], "running");
    assert!(told[0]["State"]["Pid"].as_u64().unwrap() > 1);
    assert_eq!(podman.says(&["top", "idle", "args"]), "COMMAND\nsleep 1234");
    // The search for what is left behind would find it.
    let traces = podman.traces();
    for kind in ["process: ", "state: "] {
        assert!(traces.iter().any(|trace| trace.starts_with(kind)), "no {kind} {traces:#?}");
    }
}
