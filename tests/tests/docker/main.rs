//! Docker Engine with the binary under test as a runtime.

mod devices;
mod exec;
mod files;
mod lifecycle;
mod limits;
mod namespaces;
mod network;
mod privileges;
mod process;
mod status;
mod terminal;

use coble_tests::docker::{self, Docker};

/// Tests run in the order of their names: this one comes last, and waits for the others.
#[test]
fn zz_the_engine_stops_and_leaves_nothing() {
    let Some(docker) = Docker::new() else { return };
    docker.run(&[], &["true"]).ok();
    drop(docker);
    docker::stop();
}
