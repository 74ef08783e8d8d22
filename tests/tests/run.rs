//! `run` in the foreground: output, input, exit status, signals.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use coble_tests::{Case, wait};
use rustix::process::Signal;

#[test]
fn output_and_error_reach_the_caller() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("echo to stdout; echo to stderr >&2");
    let output = case.run(&bundle).output().ok();
    assert_eq!(output.stdout, "to stdout\n");
    assert_eq!(output.stderr, "to stderr\n");
}

#[test]
fn input_passes_through_to_its_end() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["md5sum"]);
    // More than a pipe holds.
    let input = vec![b'x'; 1 << 20];
    let output = case.run(&bundle).stdin(&input).output();
    let sum = case.tool("md5sum").stdin(&input).output().stdout();
    assert_eq!(output.stdout(), sum);
    bundle.args(&["cat"]);
    assert_eq!(
        case.run(&bundle).stdin("ein Wörtchen".as_bytes()).output().stdout(),
        "ein Wörtchen"
    );
}

#[test]
fn the_exit_status_is_the_processs_own() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for code in [0, 1, 7, 126, 127, 255] {
        bundle.sh(&format!("exit {code}"));
        case.run(&bundle).output().exits(code);
        case.assert_clean();
    }
}

#[test]
fn a_deadly_signal_gives_128_and_its_number() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    // The first process of a pid namespace is immune to its own signals.
    bundle.without_namespace("pid");
    for (signal, code) in [("TERM", 143), ("KILL", 137), ("HUP", 129), ("SEGV", 139)] {
        bundle.sh(&format!("kill -{signal} $$; sleep 1000"));
        case.run(&bundle).output().exits(code);
        case.assert_clean();
    }
}

#[test]
fn signals_to_the_runtime_reach_the_process() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("for s in HUP INT QUIT USR1 USR2 WINCH; do trap \"echo got $s\" $s; done; \
         trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done");
    let mut run = case.run(&bundle).spawn();
    run.says("ready\n");
    for (signal, name) in [
        (Signal::HUP, "HUP"),
        (Signal::INT, "INT"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ] {
        run.signal(signal);
        run.says(&format!("got {name}\n"));
    }
    run.signal(Signal::TERM);
    run.wait().exits(9);
    case.assert_clean();
}

#[test]
fn a_forwarded_signal_that_kills_is_reported() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("echo ready; exec sleep 1000").without_namespace("pid");
    let mut run = case.run(&bundle).spawn();
    run.says("ready\n");
    run.signal(Signal::TERM);
    run.wait().exits(143);
    case.assert_clean();
}

#[test]
fn a_kill_from_outside_ends_the_run() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("echo ready; sleep 1000");
    let mut run = case.run(&bundle).spawn();
    run.says("ready\n");
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    run.wait().exits(137);
    case.assert_clean();
}

#[test]
fn the_run_ends_with_its_process_not_with_its_children() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000 & exit 5");
    case.run(&bundle).output().exits(5);
    case.assert_clean();
    // Without a pid namespace the child has to be found and killed.
    bundle.without_namespace("pid");
    case.run(&bundle).output().exits(5);
    case.assert_clean();
}

#[test]
fn keep_leaves_the_stopped_container() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("exit 4");
    case.run_with(&bundle, &["--keep"]).output().exits(4);
    assert_eq!(case.status(), "stopped");
    case.delete();
    case.assert_clean();
}

#[test]
fn detach_returns_while_the_process_runs() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    let file = case.dir.join("pid");
    let flags = ["--detach", "--pid-file", file.to_str().unwrap()];
    case.run_with(&bundle, &flags).output().ok();
    assert_eq!(case.status(), "running");
    assert_eq!(std::fs::read_to_string(file).unwrap(), case.pid().to_string());
    case.delete_force();
    case.assert_clean();
}

#[test]
fn a_reader_that_goes_away_hangs_nobody() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["yes"]).write();
    let pipeline = case.tool("sh").args(["-c", "\"$@\" | head -n 1", "sh"]);
    let pipeline = pipeline.arg(case.program()).arg("--root").arg(case.state_root());
    let output = pipeline.args(["run", "-b"]).arg(&bundle.path).arg(&case.id).output();
    assert_eq!(output.stdout, "y\n");
    wait::until("the container to end", || {
        case.coble().args(["list", "-q"]).output().stdout.is_empty()
    });
    case.assert_clean();
}

#[test]
fn closed_streams_are_not_taken_by_files_of_the_runtime() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let script = "for f in 0 1 2; do readlink /proc/$$/fd/$f || echo closed; done > /tmp/fds";
    bundle.sh(script).writable().write();
    let closed = case.tool("sh").args(["-c", "exec \"$@\" <&- >&- 2>&-", "sh"]);
    let closed = closed.arg(case.program()).arg("--root").arg(case.state_root());
    closed.args(["run", "-b"]).arg(&bundle.path).arg(&case.id).output().ok();
    let fds = std::fs::read_to_string(bundle.inside("/tmp/fds")).unwrap();
    assert_eq!(fds.lines().count(), 3, "{fds}");
    for fd in fds.lines() {
        let harmless = fd == "closed" || fd == "/dev/null" || fd.starts_with("pipe:");
        assert!(harmless || fd == "/tmp/fds", "a descriptor of the runtime: {fds}");
    }
}

/// How often the runs below are repeated, so that a soak can ask for more.
fn rounds() -> usize {
    std::env::var("COBLE_TEST_RUNS").map_or(100, |count| count.parse().expect("a number"))
}

#[test]
fn short_runs_in_a_row_never_hang() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    for _ in 0..rounds() {
        case.run(&bundle).output().ok();
    }
}

#[test]
fn short_runs_at_once_never_hang() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    bundle.write();
    for _ in 0..rounds() / 8 {
        let start = |nth: usize| {
            let run = case.coble().args(["run", "-b"]).arg(&bundle.path);
            run.arg(format!("{}-{nth}", case.id)).spawn()
        };
        let runs: Vec<_> = (0..8).map(start).collect();
        for run in runs {
            run.wait().ok();
        }
    }
}
