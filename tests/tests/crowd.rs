//! Many containers at a time below one parent cgroup.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use coble_tests::{Case, Cmd, View, leftovers};

/// So many containers in all, and at a time.
const CONTAINERS: usize = 200;
const AT_A_TIME: usize = 8;

/// Makes, starts and deletes all of them, each in a cgroup two below the parent: the one between comes and goes while
/// others need it.
fn crowd(case: &Case, coble: &(impl Fn() -> Cmd + Sync)) {
    let rootfs = case.bundle().rootfs();
    let bundles: Vec<PathBuf> = (0..CONTAINERS).map(|nth| bundle(case, &rootfs, nth)).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let Some(bundle) = bundles.get(nth) else { return };
                    life(&format!("{}-{nth}", case.id), bundle, nth, coble);
                }
            });
        }
    });
    let left = leftovers::cgroups(&case.id);
    for cgroup in &left {
        let below = cgroup.to_str().unwrap().rsplit(&case.id).next().unwrap();
        assert!(["", "/0", "/1", "/2"].contains(&below), "left behind: {}", cgroup.display());
    }
    // `create` leaves the parents to whoever named them. None has a process any more.
    left.iter().rev().for_each(|parent| fs::remove_dir(parent).unwrap());
    case.assert_clean();
}

/// A bundle of its own over the common files. Every third program ends by itself.
fn bundle(case: &Case, rootfs: &Path, nth: usize) -> PathBuf {
    let path = case.folder(&format!("bundles/{nth}"));
    let mut config = case.config();
    let program: &[&str] = if nth.is_multiple_of(3) { &["true"] } else { &["sleep", "1000000"] };
    config["process"]["args"] = program.into();
    config["root"]["path"] = rootfs.to_str().unwrap().into();
    config["linux"]["cgroupsPath"] = format!("/{}/{}/{nth}", case.id, nth % 3).into();
    fs::write(path.join("config.json"), config.to_string()).unwrap();
    path
}

/// Every third one is run to its end, the others are deleted while they run.
fn life(id: &str, bundle: &Path, nth: usize, coble: &impl Fn() -> Cmd) {
    let quiet = |command: Cmd| assert_eq!(command.output().ok().stderr, "", "{id}");
    if nth.is_multiple_of(3) {
        return quiet(coble().args(["run", "--bundle"]).arg(bundle).arg(id));
    }
    quiet(coble().args(["create", "--bundle"]).arg(bundle).arg(id));
    quiet(coble().args(["start", id]));
    quiet(coble().args(["delete", "--force", id]));
}

#[test]
fn two_hundred_containers_below_one_parent() {
    let Some(case) = Case::root() else { return };
    crowd(&case, &|| case.coble());
}

#[test]
fn v2_two_hundred_containers_below_one_parent() {
    let Some(case) = Case::root() else { return };
    let Some(v2) = View::v2(&case) else { return };
    crowd(&case, &|| v2.coble(&case));
}
