//! Terminals: of `run`, of `exec`, and those that are sent over a socket.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use coble_tests::{Bundle, Case, ConsoleSocket, Terminal, exit_code};
use serde_json::json;

/// Runs the runtime with `words` on a terminal of its own, of 24 rows and 80 columns.
fn on_terminal(case: &Case, words: &[&str]) -> (Terminal, std::process::Child) {
    let setsid = case.tool("setsid").args(["--ctty", "--wait"]).arg(case.program());
    Terminal::run(setsid.arg("--root").arg(case.state_root()).args(words))
}

fn with_terminal(case: &Case, script: &str) -> Bundle {
    let mut bundle = case.bundle();
    bundle.config["process"]["terminal"] = true.into();
    bundle.sh(script).write();
    bundle
}

fn run<'a>(case: &'a Case, bundle: &'a Bundle) -> [&'a str; 4] {
    ["run", "--bundle", bundle.path.to_str().unwrap(), &case.id]
}

#[test]
fn run_gives_the_process_a_terminal() {
    let Some(case) = Case::root() else { return };
    let bundle =
        with_terminal(&case, "tty; stty size; test -t 0 -a -t 1 -a -t 2 && echo all; exit 5");
    let (terminal, child) = on_terminal(&case, &run(&case, &bundle));
    assert_eq!(exit_code(child, &terminal), Some(5), "{}", terminal.screen());
    let screen = terminal.screen();
    assert!(screen.contains("/dev/pts/0\r\n24 80\r\nall\r\n"), "{screen}");
    case.assert_clean();
}

#[test]
fn what_is_typed_reaches_the_process_once() {
    let Some(case) = Case::root() else { return };
    let bundle = with_terminal(&case, "echo ready; read line; echo \"got <$line>\"");
    let (mut terminal, child) = on_terminal(&case, &run(&case, &bundle));
    terminal.shows("ready");
    terminal.types("some words\n");
    assert_eq!(exit_code(child, &terminal), Some(0), "{}", terminal.screen());
    let screen = terminal.screen();
    assert!(screen.contains("got <some words>"), "{screen}");
    assert_eq!(
        screen.matches("some words\r\n").count(),
        1,
        "echoed by one terminal alone: {screen}"
    );
}

#[test]
fn control_c_interrupts_the_process_not_the_runtime() {
    let Some(case) = Case::root() else { return };
    let bundle = with_terminal(
        &case,
        "trap 'echo interrupted; exit 4' INT; echo ready; while :; do sleep 0.05; done",
    );
    let (mut terminal, child) = on_terminal(&case, &run(&case, &bundle));
    terminal.shows("ready");
    terminal.types("\u{3}");
    assert_eq!(exit_code(child, &terminal), Some(4), "{}", terminal.screen());
    assert!(terminal.screen().contains("interrupted"), "{}", terminal.screen());
}

#[test]
fn a_new_size_reaches_the_process() {
    let Some(case) = Case::root() else { return };
    let script = "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done";
    let bundle = with_terminal(&case, script);
    let (terminal, child) = on_terminal(&case, &run(&case, &bundle));
    terminal.shows("ready");
    terminal.resize(50, 132);
    terminal.shows("50 132");
    assert_eq!(exit_code(child, &terminal), Some(0));
}

#[test]
fn the_callers_terminal_is_restored() {
    let Some(case) = Case::root() else { return };
    let bundle = with_terminal(&case, "echo inside");
    let script = "stty -a > $BEFORE; \"$@\"; stty -a > $AFTER; cmp $BEFORE $AFTER && echo restored";
    let setsid = case.tool("setsid").env("BEFORE", case.dir.join("before"));
    let setsid = setsid
        .env("AFTER", case.dir.join("after"))
        .args(["--ctty", "--wait", "sh", "-c", script, "sh"]);
    let words = setsid.arg(case.program()).arg("--root").arg(case.state_root());
    let (terminal, child) = Terminal::run(words.args(run(&case, &bundle)));
    assert_eq!(exit_code(child, &terminal), Some(0), "{}", terminal.screen());
    assert!(terminal.screen().contains("inside\r\nrestored"), "{}", terminal.screen());
}

#[test]
fn much_output_arrives_whole() {
    let Some(case) = Case::root() else { return };
    let bundle = with_terminal(&case, "seq 1 20000; echo the end");
    let (terminal, child) = on_terminal(&case, &run(&case, &bundle));
    assert_eq!(exit_code(child, &terminal), Some(0));
    terminal.shows("the end");
    let screen = terminal.screen();
    let lines: Vec<&str> = screen.lines().collect();
    assert_eq!(lines.len(), 20001, "{} lines", lines.len());
    assert_eq!(lines[19999], "20000");
}

/// What nobody can take is lost, and told; the program runs on.
#[test]
fn output_that_can_not_be_written_ends_nothing() {
    let Some(case) = Case::root() else { return };
    let bundle = with_terminal(&case, "echo lost; sleep 0.2; echo lost; exit 7");
    let streams = case.tool("sh").args(["-c", "exec \"$@\" <&- 0</ >/dev/full", "sh"]);
    let command = streams.arg(case.program()).arg("--root").arg(case.state_root());
    let output = command.args(run(&case, &bundle)).output().exits(7);
    assert!(
        output.stderr.contains("output of the terminal is lost, write: no space left on device")
    );
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    case.assert_clean();
}

#[test]
fn the_console_is_the_terminal() {
    let Some(case) = Case::root() else { return };
    let bundle = with_terminal(
        &case,
        "echo hello > /dev/console; stat -c '%F %t' /dev/console; ls -l /dev/pts/0",
    );
    let (terminal, child) = on_terminal(&case, &run(&case, &bundle));
    assert_eq!(exit_code(child, &terminal), Some(0), "{}", terminal.screen());
    let screen = terminal.screen();
    assert!(
        screen.contains("hello\r\n") && screen.contains("character special file 88"),
        "{screen}"
    );
}

#[test]
fn the_terminal_is_the_users() {
    let Some(case) = Case::root() else { return };
    let mut bundle = with_terminal(&case, "stat -c '%u %a' $(tty); echo > /dev/tty && echo works");
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    bundle.write();
    let (terminal, child) = on_terminal(&case, &run(&case, &bundle));
    assert_eq!(exit_code(child, &terminal), Some(0), "{}", terminal.screen());
    let screen = terminal.screen();
    assert!(screen.contains("1000 620\r\n") && screen.contains("works"), "{screen}");
}

#[test]
fn create_sends_the_terminal_over_the_socket() {
    let Some(case) = Case::root() else { return };
    let mut bundle = with_terminal(&case, "tty; stty size; read line; echo \"got <$line>\"");
    bundle.config["process"]["consoleSize"] = json!({"height": 33, "width": 99});
    bundle.write();
    let socket = ConsoleSocket::new(&case.dir.join("console"));
    let create = case.coble().arg("create").arg("--console-socket").arg(&socket.path);
    create.arg("--bundle").arg(&bundle.path).arg(&case.id).output().ok();
    let mut terminal = socket.receive();
    case.verb(&["start"]).output().ok();
    terminal.shows("/dev/pts/0\r\n33 99\r\n");
    terminal.types("words\n");
    terminal.shows("got <words>");
    case.until_stopped();
    case.delete();
    case.assert_clean();
}

#[test]
fn run_sends_the_terminal_when_detached() {
    let Some(case) = Case::root() else { return };
    let bundle = with_terminal(&case, "test -t 1 && echo terminal; read line");
    let socket = ConsoleSocket::new(&case.dir.join("console"));
    let flags = ["--detach", "--console-socket", socket.path.to_str().unwrap()];
    case.run_with(&bundle, &flags).output().ok();
    let terminal = socket.receive();
    terminal.shows("terminal");
    case.delete_force();
}

#[test]
fn an_exec_has_the_size_of_its_own_process() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let mut process = bundle.config["process"].clone();
    bundle.sh("sleep 1000");
    bundle.config["process"]["consoleSize"] = json!({"height": 1, "width": 2});
    case.detach(&bundle);
    process["terminal"] = true.into();
    process["consoleSize"] = json!({"height": 44, "width": 111});
    process["args"] = json!(["sh", "-c", "stty size; read line"]);
    let file = case.file("process.json", &process.to_string());
    let socket = ConsoleSocket::new(&case.dir.join("console"));
    let exec = case.coble().args(["exec", "--detach", "--console-socket"]).arg(&socket.path);
    exec.arg("--process").arg(&file).arg(&case.id).output().ok();
    let mut terminal = socket.receive();
    terminal.shows("44 111\r\n");
    terminal.types("\n");
}

#[test]
fn exec_on_a_terminal() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let script = "tty; stty size; read line; echo \"got <$line>\"; exit 6";
    let (mut terminal, child) =
        on_terminal(&case, &["exec", "--tty", &case.id, "sh", "-c", script]);
    terminal.shows("24 80");
    terminal.types("words\n");
    assert_eq!(exit_code(child, &terminal), Some(6), "{}", terminal.screen());
    let screen = terminal.screen();
    assert!(screen.contains("/dev/pts/") && screen.contains("got <words>"), "{screen}");
}

#[test]
fn exec_sends_its_terminal_over_the_socket() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let socket = ConsoleSocket::new(&case.dir.join("console"));
    let flags = ["--tty", "--detach", "--console-socket", socket.path.to_str().unwrap()];
    case.exec_with(&flags, &["sh", "-c", "tty; read line; echo got $line"]).output().ok();
    let mut terminal = socket.receive();
    terminal.shows("/dev/pts/");
    terminal.types("words\n");
    terminal.shows("got words");
}

#[test]
fn terminals_and_sockets_that_do_not_fit_are_refused() {
    let Some(case) = Case::root() else { return };
    let name = coble_tests::name();
    let detach =
        format!("cannot allocate tty if {name} will detach without setting console socket");
    let bundle = with_terminal(&case, "true");
    case.refuses(case.create(&bundle), &[&detach]);
    case.refuses(case.run_with(&bundle, &["--detach"]), &[&detach]);

    let socket = case.dir.join("console");
    let attach = format!("cannot use console socket if {name} will not detach or allocate tty");
    let flags = ["--console-socket", socket.to_str().unwrap()];
    case.refuses(case.run_with(&bundle, &flags), &[&attach]);
    let mut plain = case.bundle_at("plain");
    plain.sh("true").write();
    let create = case.coble().arg("create").args(flags).arg("--bundle");
    case.refuses(create.arg(&plain.path).arg(&case.id), &[&attach]);
}

#[test]
fn a_console_socket_that_nobody_listens_on_is_refused() {
    let Some(case) = Case::root() else { return };
    let bundle = with_terminal(&case, "true");
    let create = |path: &std::path::Path| {
        let create = case.coble().arg("create").arg("--console-socket").arg(path);
        create.arg("--bundle").arg(&bundle.path).arg(&case.id)
    };
    case.refuses(create(&case.dir.join("missing")), &["missing", "no such file or directory"]);
    let file = case.file("file", "");
    case.refuses(create(&file), &["file", "connection refused"]);
}

#[test]
fn run_with_a_terminal_but_none_to_stand_on() {
    let Some(case) = Case::root() else { return };
    let bundle = with_terminal(&case, "test -t 1 && echo terminal");
    // As from cron: no terminal on any stream. Either way it must end, with the container's output or one line.
    let output = case.run(&bundle).output();
    if output.code == Some(0) {
        assert_eq!(output.stdout.trim_end(), "terminal", "{output}");
    } else {
        output.refused(&["tty"]);
    }
    case.assert_clean();
}
