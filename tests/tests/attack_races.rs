//! Attacks by who shares the root's files: they are changed at the worst moment of all.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::symlink;

use coble_tests::{Case, wait};

#[test]
fn a_link_that_comes_once_it_was_looked_for_is_not_followed() {
    let Some(case) = Case::root().filter(Case::has_strace) else { return };
    let mut bundle = case.bundle();
    bundle.args(&["true"]).write();
    let trace = case.dir.join("trace");
    let strace = case.tool("strace").args(["-f", "-qq", "-e", "trace=openat2,readlinkat"]);
    // Between the two calls there is time.
    let strace = strace.args(["-e", "inject=readlinkat:delay_enter=2000000:when=1"]).arg("-o");
    let run = strace.arg(&trace).arg(case.program()).arg("--root").arg(case.state_root());
    let run = run.args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id).spawn();
    wait::until("/proc is looked for", || {
        fs::read_to_string(&trace).is_ok_and(|trace| trace.contains("\"/\", {"))
    });
    symlink("/etc/made", bundle.inside("/proc")).unwrap();
    run.wait().refused(&["/proc", "must be mounted on ordinary directory"]);
    assert!(!bundle.inside("/etc/made").exists(), "the link was followed");
}
