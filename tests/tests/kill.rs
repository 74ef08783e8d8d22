//! `kill`: every way to name a signal, and whom it reaches.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::time::{Duration, Instant};

use coble_tests::{Case, HostCgroup, wait};

/// Runs a container that writes each signal it gets to `/tmp/log`.
fn listener(case: &Case) -> coble_tests::Bundle {
    let mut bundle = case.bundle();
    bundle
        .writable()
        .sh("for s in HUP INT USR1 USR2 TERM; do trap \"echo $s >> /tmp/log\" $s; done; \
         echo ready > /tmp/log; while :; do sleep 0.02; done");
    case.detach(&bundle);
    wait::until("the traps", || log(&bundle).contains("ready"));
    bundle
}

fn log(bundle: &coble_tests::Bundle) -> String {
    std::fs::read_to_string(bundle.inside("/tmp/log")).unwrap_or_default()
}

#[test]
fn signals_by_number_name_and_long_name() {
    let Some(case) = Case::root() else { return };
    let bundle = listener(&case);
    let names =
        [("1", "HUP"), ("INT", "INT"), ("SIGUSR1", "USR1"), ("usr2", "USR2"), ("sigterm", "TERM")];
    for (argument, name) in names {
        case.coble().args(["kill", &case.id, argument]).output().ok();
        wait::until(format!("signal {argument}"), || log(&bundle).contains(name));
    }
    assert_eq!(log(&bundle), "ready\nHUP\nINT\nUSR1\nUSR2\nTERM\n");
    case.coble().args(["kill", &case.id, "SIGKILL"]).output().ok();
    case.until_stopped();
}

#[test]
fn the_default_is_term() {
    let Some(case) = Case::root() else { return };
    let bundle = listener(&case);
    case.verb(&["kill"]).output().ok();
    wait::until("SIGTERM", || log(&bundle) == "ready\nTERM\n");
}

#[test]
fn unknown_signals_are_named() {
    let Some(case) = Case::root() else { return };
    let bundle = listener(&case);
    for unknown in ["FOO", "SIGFOO", "TERM5", ""] {
        let output = case.coble().args(["kill", &case.id, unknown]).output();
        if unknown.is_empty() {
            continue;
        }
        output.refused(&[&format!("unknown signal \"{unknown}\"")]);
    }
    for impossible in ["-1", "65", "1000", "99999999999"] {
        let output = case.coble().args(["kill", "--", &case.id, impossible]).output();
        assert_eq!(output.code, Some(1), "{output}");
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
    }
    assert_eq!(case.status(), "running");
    assert!(!log(&bundle).contains("USR"), "no signal was sent for a name that isn't one");
}

#[test]
fn a_stopped_container_is_not_running() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    case.detach(&bundle);
    case.until_stopped();
    case.coble().args(["kill", &case.id, "KILL"]).output().refused(&["container not running"]);
    case.coble().args(["kill", &case.id, "0"]).output().refused(&["container not running"]);
    let all = case.coble().args(["kill", "--all", &case.id, "KILL"]).output().ok();
    assert_eq!(all.stderr, "");
}

#[test]
fn a_created_container_can_be_killed() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    case.create(&bundle).output().ok();
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    case.delete();
    case.assert_clean();
}

#[test]
fn a_created_container_ends_by_whatever_ends_a_program() {
    let Some(case) = Case::root() else { return };
    for has_pids in [true, false] {
        for signal in ["TERM", "INT", "HUP", "USR1", "RTMIN+3"] {
            let mut bundle = case.bundle_at(&format!("{signal}-{has_pids}"));
            if !has_pids {
                bundle.without_namespace("pid");
            }
            case.create(&bundle).output().ok();
            for harmless in ["WINCH", "CHLD", "CONT", "URG", "TSTP"] {
                case.coble().args(["kill", &case.id, harmless]).output().ok();
            }
            assert_eq!(case.status(), "created", "{signal}");
            case.coble().args(["kill", &case.id, signal]).output().ok();
            case.until_stopped();
            case.verb(&["start"]).output().refused(&["has stopped"]);
            case.delete();
            case.assert_clean();
        }
    }
}

#[test]
fn a_created_container_starts_after_signals_that_are_harmless() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["sleep", "1000000"]);
    case.create(&bundle).output().ok();
    case.coble().args(["kill", &case.id, "WINCH"]).output().ok();
    case.verb(&["start"]).output().ok();
    assert_eq!(case.status(), "running");
}

#[test]
fn all_reaches_children_that_outlive_the_process() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000 & exit 0").without_namespace("pid");
    case.detach(&bundle);
    case.until_stopped();
    let left = || coble_tests::leftovers::processes(&case.id).len();
    assert_eq!(left(), 1, "the child lives on without a pid namespace");
    case.coble().args(["kill", "--all", &case.id, "KILL"]).output().ok();
    wait::until("the child to end", || left() == 0);
    case.delete();
    case.assert_clean();
}

/// Its quota is spent for a long time whenever it runs, and a process can't end without processor time.
#[test]
fn what_has_next_to_no_processor_time_ends() {
    let Some(case) = Case::root() else { return };
    if HostCgroup::with(&["cpu"], &case.id).is_none() {
        return;
    }
    let mut bundle = case.bundle();
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    bundle.sh("for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; wait");
    for namespace in ["with", "without"] {
        if namespace == "without" {
            bundle.without_namespace("pid");
        }
        case.detach(&bundle);
        let all = || case.verb(&["ps", "-f", "json"]).output().stdout().matches(',').count() == 8;
        wait::until("all processes", all);
        let quota = ["update", "--cpu-quota", "1000", "--cpu-period", "1000000"];
        case.verb(&quota).output().ok();
        let start = Instant::now();
        case.delete_force();
        let time = start.elapsed();
        assert!(time < Duration::from_secs(4), "{namespace} a pid namespace: {time:?}");
        case.assert_clean();
    }
}
