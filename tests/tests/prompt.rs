//! `delete --force` waits for what the kernel tells it, and no longer: at most 20 ms.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::{Duration, Instant};

use coble_tests::{Case, Cmd, View, skip, wait};

const MOST: Duration = Duration::from_millis(20);
/// A busy machine spoils many a time; a sleep would be in every one.
const TRIES: usize = 60;
/// On a machine where even `state` takes longer, time says little.
const QUICK: Duration = Duration::from_millis(8);

fn time(command: Cmd) -> Duration {
    let start = Instant::now();
    let mut running = command.spawn();
    while running.runs() {
        std::thread::sleep(Duration::from_micros(200));
    }
    let time = start.elapsed();
    running.wait().ok();
    time
}

fn check(case: &Case, coble: &impl Fn() -> Cmd) {
    let on = |words: &[&str]| coble().args(words).arg(&case.id);
    for (name, line, has_pids) in [
        ("one process", "exec sleep 1000", true),
        ("a crowd", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done; wait", true),
        (
            "a crowd in the host's pid namespace",
            "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait",
            false,
        ),
        ("paused", "sleep 1000 & sleep 1000", true),
    ] {
        let mut bundle = case.bundle_at(name);
        bundle.sh(line);
        if !has_pids {
            bundle.without_namespace("pid");
        }
        bundle.write();
        let (mut state, mut delete) = (Duration::MAX, Duration::MAX);
        for _ in 0..TRIES {
            let run = coble().args(["run", "--detach", "--bundle"]).arg(&bundle.path);
            run.arg(&case.id).output().ok();
            if line.contains('&') {
                let several = || on(&["ps", "--format", "json"]).output().stdout().contains(',');
                wait::until("its children", several);
            }
            if name == "paused" {
                on(&["pause"]).output().ok();
            }
            state = state.min(time(on(&["state"])));
            delete = delete.min(time(on(&["delete", "--force"])));
            if delete <= MOST {
                break;
            }
        }
        println!("{name}: {delete:?}, and {state:?} for the state");
        if delete > MOST && state > QUICK {
            return skip(&format!("this machine takes {state:?} for the state"));
        }
        assert!(delete <= MOST, "{name}: {delete:?}");
    }
}

#[test]
fn delete_by_force_is_prompt() {
    let Some(case) = Case::root() else { return };
    check(&case, &|| case.coble());
}

#[test]
fn v2_delete_by_force_is_prompt() {
    let Some(case) = Case::root() else { return };
    let Some(view) = View::v2(&case) else { return };
    check(&case, &|| view.coble(&case));
}
