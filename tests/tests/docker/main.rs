//! Docker Engine with the binary under test as a runtime.

mod devices;
mod exec;
mod files;
mod lifecycle;
mod limits;
mod namespaces;
mod nested;
mod network;
mod privileges;
mod process;
mod seccomp;
mod status;
mod terminal;

use coble_tests::docker::{self, Docker};

/// Otherwise the search for what a container leaves behind would find nothing in any case.
#[test]
fn a_running_container_leaves_traces() {
    let Some(docker) = Docker::new() else { return };
    // For this Docker mounts something whatever its storage driver.
    let container = docker.idle(&["--ipc", "shareable"]);
    let traces = container.traces();
    for kind in ["process: ", "cgroup: ", "state: "] {
        assert!(traces.iter().any(|trace| trace.starts_with(kind)), "no {kind} {traces:#?}");
    }
    let mounts = docker.new_mounts();
    assert!(mounts.iter().any(|point| point.contains("/data/")), "{mounts:#?}");
}

/// Tests run in the order of their names: this one comes last, and waits for the others.
#[test]
fn zz_the_engine_stops_and_leaves_nothing() {
    let Some(docker) = Docker::new() else { return };
    docker.run(&[], &["true"]).ok();
    drop(docker);
    docker::stop();
}
