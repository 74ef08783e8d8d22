//! Containers in the background, from their start to their end.

use coble_tests::docker::Docker;
use coble_tests::wait;

#[test]
fn output_is_logged() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.detach(&[], &["sh", "-c", "echo out; echo err >&2"]);
    assert_eq!(container.wait(), "0");
    let logs = container.logs().ok();
    assert_eq!((logs.stdout.as_str(), logs.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn stop_lets_a_container_end_itself() {
    let Some(docker) = Docker::new() else { return };
    let script = "trap 'echo goodbye; exit 9' TERM; echo ready; while :; do sleep 0.1; done";
    let container = docker.detach(&[], &["sh", "-c", script]);
    container.says("ready");
    container.verb(&["stop", "-t", "50"]).ok();
    assert_eq!(container.inspect("{{.State.ExitCode}}"), "9");
    assert_eq!(container.logs().stdout(), "ready\ngoodbye\n");
}

#[test]
fn stop_kills_a_stubborn_container() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.detach(&[], &["sh", "-c", "trap '' TERM; echo ready; sleep 1000"]);
    container.says("ready");
    container.verb(&["stop", "-t", "1"]).ok();
    assert_eq!(container.inspect("{{.State.ExitCode}}"), "137");
}

#[test]
fn any_signal_can_be_sent() {
    let Some(docker) = Docker::new() else { return };
    let script =
        "trap 'echo got usr1' USR1; trap 'exit 6' HUP; echo ready; while :; do sleep 0.1; done";
    let container = docker.detach(&[], &["sh", "-c", script]);
    container.says("ready");
    container.verb(&["kill", "--signal", "SIGUSR1"]).ok();
    container.says("got usr1");
    container.verb(&["kill", "--signal", "1"]).ok();
    assert_eq!(container.wait(), "6");
}

#[test]
fn inspect_tells_the_state() {
    let Some(docker) = Docker::new() else { return };
    let script = "echo ready; until [ -e /tmp/go ]; do sleep 0.1; done; exit 5";
    let container = docker.detach(&[], &["sh", "-c", script]);
    container.says("ready");
    let format =
        "{{.State.Status}} {{.State.Running}} {{.State.OOMKilled}} {{.HostConfig.Runtime}}";
    assert_eq!(container.inspect(format), "running true false coble");
    let pid: u32 = container.inspect("{{.State.Pid}}").parse().expect("a pid");
    assert!(pid > 1);
    container.exec(&[], &["touch", "/tmp/go"]).ok();
    assert_eq!(container.wait(), "5");
    let format = "{{.State.Status}} {{.State.Pid}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}";
    assert_eq!(container.inspect(format), "exited 0 5 false");
}

#[test]
fn top_lists_the_containers_processes_alone() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.detach(&[], &["sh", "-c", "sleep 1001 & sleep 1002; true"]);
    let pid = container.inspect("{{.State.Pid}}");
    wait::until("both children run", || {
        let top = container.verb(&["top"]).stdout();
        ["1001", "1002"].iter().all(|each| top.contains(&format!("sleep {each}")))
    });
    let top = container.verb(&["top"]).stdout();
    assert_eq!(top.lines().count(), 4, "a heading and three processes: {top}");
    let pids: Vec<_> = top.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert!(pids.contains(&pid.as_str()), "{pid} isn't in {top}");
}

#[test]
fn a_running_container_is_removed_by_force() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.detach(&[], &["sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000"]);
    let refused = container.verb(&["rm"]);
    assert_eq!(refused.code, Some(1), "{refused}");
    container.verb(&["rm", "--force"]).ok();
    assert_eq!(container.verb(&["inspect"]).code, Some(1));
}

#[test]
fn a_container_is_started_again() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.detach(&[], &["sh", "-c", "echo run >> /runs; wc -l < /runs"]);
    assert_eq!(container.wait(), "0");
    for _ in 0..2 {
        container.verb(&["start"]).ok();
        assert_eq!(container.wait(), "0");
    }
    assert_eq!(container.logs().stdout(), "1\n2\n3\n");
}

#[test]
fn a_running_container_is_restarted() {
    let Some(docker) = Docker::new() else { return };
    let script = "trap exit TERM; echo started; sleep 1000 & wait";
    let container = docker.detach(&[], &["sh", "-c", script]);
    container.says("started");
    let first = container.inspect("{{.State.StartedAt}}");
    container.verb(&["restart", "-t", "50"]).ok();
    container.says("started\nstarted");
    assert_eq!(container.inspect("{{.State.Running}}"), "true");
    assert_ne!(container.inspect("{{.State.StartedAt}}"), first);
}

#[test]
fn a_failing_container_is_restarted_by_its_policy() {
    let Some(docker) = Docker::new() else { return };
    let container =
        docker.detach(&["--restart", "on-failure:2"], &["sh", "-c", "echo try; exit 3"]);
    wait::until("the policy gives up", || {
        container.inspect("{{.RestartCount}} {{.State.Status}}") == "2 exited"
    });
    assert_eq!(container.inspect("{{.State.ExitCode}}"), "3");
    assert_eq!(container.logs().stdout(), "try\ntry\ntry\n");
}

#[test]
fn the_rest_of_a_container_ends_with_its_first_process() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.detach(&[], &["sh", "-c", "sleep 1000 & echo gone"]);
    assert_eq!(container.wait(), "0");
    assert_eq!(container.logs().stdout(), "gone\n");
}

#[test]
fn a_healthcheck_is_run() {
    let Some(docker) = Docker::new() else { return };
    let check =
        ["--health-cmd", "test -e /tmp/well", "--health-interval", "1s", "--health-retries", "1"];
    let container = docker.idle(&check);
    let health = || container.inspect("{{.State.Health.Status}}");
    wait::until("the check fails", || health() == "unhealthy");
    container.exec(&[], &["touch", "/tmp/well"]).ok();
    wait::until("the check succeeds", || health() == "healthy");
}

#[test]
fn attach_joins_the_streams() {
    let Some(docker) = Docker::new() else { return };
    let container =
        docker.detach(&["--interactive"], &["sh", "-c", "read line; echo got $line; exit 8"]);
    let attach = docker.cli(&["attach", &container.id]).stdin(b"hello\n").output();
    attach.exits(8);
    // Not what attach itself printed: its end may overtake the last output.
    assert_eq!(container.logs().stdout(), "got hello\n");
}
