//! Containers on a terminal.

use coble_tests::docker::Docker;
use coble_tests::{Terminal, exit_code};

#[test]
fn a_terminal_is_there() {
    let Some(docker) = Docker::new() else { return };
    let script =
        "tty; test -t 0 && test -t 1 && test -t 2 && echo all three; stat -c %t:%T /dev/console";
    let command = docker.run_on_terminal(&["--rm", "-t"], &["sh", "-c", script]);
    let (terminal, child) = Terminal::run(command);
    assert_eq!(exit_code(child, &terminal), Some(0), "{}", terminal.screen());
    terminal.shows("/dev/pts/0");
    terminal.shows("all three");
    // A slave of devpts: major number 136.
    terminal.shows("88:0");
}

#[test]
fn typing_reaches_the_shell_and_its_status_comes_back() {
    let Some(docker) = Docker::new() else { return };
    let (mut terminal, child) =
        Terminal::run(docker.run_on_terminal(&["--rm", "-i", "-t"], &["sh"]));
    terminal.shows("# ");
    terminal.types("echo result=$((6 * 7))\n");
    terminal.shows("result=42");
    terminal.types("exit 3\n");
    assert_eq!(exit_code(child, &terminal), Some(3), "{}", terminal.screen());
}

#[test]
fn the_size_follows_the_users_terminal() {
    let Some(docker) = Docker::new() else { return };
    let script = "until [ \"$(stty size)\" = '24 80' ]; do sleep 0.1; done; echo first
        until [ \"$(stty size)\" = '33 77' ]; do sleep 0.1; done; echo second";
    let command = docker.run_on_terminal(&["--rm", "-i", "-t"], &["sh", "-c", script]);
    let (terminal, child) = Terminal::run(command);
    terminal.shows("first");
    terminal.resize_until(33, 77, "second");
    assert_eq!(exit_code(child, &terminal), Some(0));
}

#[test]
fn control_c_interrupts_the_foreground_job() {
    let Some(docker) = Docker::new() else { return };
    let script = "trap 'echo interrupted; exit 4' INT; echo ready; while :; do sleep 0.1; done";
    let command = docker.run_on_terminal(&["--rm", "-i", "-t"], &["sh", "-c", script]);
    let (mut terminal, child) = Terminal::run(command);
    terminal.shows("ready");
    terminal.types("\u{3}");
    terminal.shows("interrupted");
    assert_eq!(exit_code(child, &terminal), Some(4));
}

#[test]
fn job_control_works() {
    let Some(docker) = Docker::new() else { return };
    let (mut terminal, child) =
        Terminal::run(docker.run_on_terminal(&["--rm", "-i", "-t"], &["sh"]));
    terminal.shows("# ");
    // The job itself says when it is in the foreground.
    terminal.types("sh -c 'echo go\"\"ing; exec sleep 1000'\n");
    terminal.shows("going");
    terminal.types("\u{1a}");
    terminal.shows("Stopped");
    // A shell with a stopped job wants to be told twice.
    terminal.types("exit 0\nexit 0\n");
    assert_eq!(exit_code(child, &terminal), Some(0));
    assert!(!terminal.screen().contains("job control turned off"), "{}", terminal.screen());
}

#[test]
fn the_terminal_belongs_to_the_user() {
    let Some(docker) = Docker::new() else { return };
    let script = "echo owner=$(stat -c %u $(tty)); echo written > $(tty)";
    let flags = ["--rm", "-i", "-t", "--user", "1000"];
    let (terminal, child) = Terminal::run(docker.run_on_terminal(&flags, &["sh", "-c", script]));
    assert_eq!(exit_code(child, &terminal), Some(0), "{}", terminal.screen());
    terminal.shows("owner=1000");
    terminal.shows("written");
}

#[test]
fn a_detached_terminal_is_logged() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.detach(&["-t"], &["sh", "-c", "tty; echo err >&2"]);
    assert_eq!(container.wait(), "0");
    assert_eq!(container.logs().stdout(), "/dev/pts/0\r\nerr\r\n");
}

#[test]
fn exec_gets_a_terminal_of_its_own() {
    let Some(docker) = Docker::new() else { return };
    let container = docker.idle(&[]);
    let command = container.exec_on_terminal(&["-i", "-t"], &["sh"]);
    let (mut terminal, child) = Terminal::run(command);
    terminal.shows("# ");
    terminal.types("tty; echo result=$((6 * 7))\n");
    terminal.shows("/dev/pts/0");
    terminal.shows("result=42");
    terminal.types("until [ \"$(stty size)\" = '33 77' ]; do sleep 0.1; done; echo res''ized\n");
    terminal.resize_until(33, 77, "resized");
    terminal.types("exit 5\n");
    assert_eq!(exit_code(child, &terminal), Some(5), "{}", terminal.screen());
}
