//! Who takes care of a container's orphans: the `run` that stays, or with `--no-subreaper` somebody else.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Background, Bundle, Case, wait};

/// A container that shares the host's processes, whose program makes an orphan: it writes down the orphan's number, and
/// goes on until it is asked to end.
fn with_orphan(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    let script = "sh -c 'sh -c \"until [ -e /tmp/go ]; do sleep 0.05; done\" & echo $! > /tmp/new'; \
                  mv /tmp/new /tmp/orphan; until [ -e /tmp/end ]; do sleep 0.05; done; exit 3";
    bundle.without_namespace("pid").writable().sh(script);
    bundle
}

fn orphan(bundle: &Bundle) -> u32 {
    let file = bundle.inside("/tmp/orphan");
    wait::until("the orphan", || file.exists());
    fs::read_to_string(file).unwrap().trim_end().parse().unwrap()
}

/// A field of `/proc/PID/status`, none if the process is not there.
fn status(pid: u32, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":\t"));
    line.map(str::to_owned)
}

fn parent(pid: u32) -> u32 {
    status(pid, "PPid").unwrap().parse().unwrap()
}

fn end(bundle: &Bundle, run: Background) {
    fs::write(bundle.inside("/tmp/end"), "").unwrap();
    run.wait().exits(3);
}

#[test]
fn a_run_that_stays_takes_orphans_and_their_ends() {
    let Some(case) = Case::root() else { return };
    let bundle = with_orphan(&case);
    let mut run = case.run(&bundle).spawn();
    let orphan = orphan(&bundle);
    wait::until("the run to be the orphan's parent", || parent(orphan) == run.pid());
    fs::write(bundle.inside("/tmp/go"), "").unwrap();
    wait::until("the orphan to be taken away", || status(orphan, "PPid").is_none());
    assert!(run.runs(), "the end of an orphan is not that of the program");
    end(&bundle, run);
    case.assert_clean();
}

#[test]
fn without_it_orphans_go_to_the_next_reaper() {
    let Some(case) = Case::root() else { return };
    let bundle = with_orphan(&case);
    let mut run = case.run_with(&bundle, &["--no-subreaper"]).spawn();
    let orphan = orphan(&bundle);
    let own = std::process::id();
    wait::until("another parent", || parent(orphan) != u32::try_from(case.pid()).unwrap());
    let reaper = parent(orphan);
    assert_ne!(reaper, run.pid());
    assert_ne!(reaper, own);
    assert!(run.runs());
    end(&bundle, run);
    case.assert_clean();
}
