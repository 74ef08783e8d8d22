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

#[test]
fn what_is_closed_in_proc_and_sys_goes_along_when_they_are_renamed() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let (reached, renamed) = (case.dir.join("reached"), case.dir.join("renamed"));
    bundle.hook(
        "prestart",
        &format!(
            "touch {}; until [ -e {} ]; do sleep 0.01; done",
            reached.display(),
            renamed.display()
        ),
    );
    bundle.sh("cat /p/self/mountinfo; (: >/p/sys/kernel/hostname) 2>&1; true").write();
    let run = case.run(&bundle).spawn();
    wait::until("the hook runs", || reached.exists());
    for (name, other) in [("/proc", "/p"), ("/sys", "/s")] {
        fs::rename(bundle.inside(name), bundle.inside(other)).unwrap();
        fs::create_dir(bundle.inside(name)).unwrap();
    }
    fs::write(&renamed, "").unwrap();
    let seen = run.wait().ok().stdout();
    for closed in ["/p/keys ro", "/p/timer_list ro", "/p/sys ro", "/s/firmware ro"] {
        assert!(seen.contains(&format!(" {closed}")), "{closed}:\n{seen}");
    }
    assert!(
        seen.ends_with("can't create /p/sys/kernel/hostname: Read-only file system\n"),
        "{seen}"
    );
}
