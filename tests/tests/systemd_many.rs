//! Many containers at a time whose cgroups systemd makes. Skipped where systemd is not process 1.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use coble_tests::{Bundle, Case, skip};

const CONTAINERS: usize = 200;
const AT_A_TIME: usize = 8;

#[test]
fn containers_under_one_slice() {
    if !Path::new("/run/systemd/system").is_dir() {
        return skip("systemd is not process 1");
    }
    let Some(case) = Case::root() else { return };
    let slice = format!("many{}.slice", std::process::id());
    let deleted = AtomicUsize::new(0);
    let bundles: Vec<Bundle> =
        (0..AT_A_TIME).map(|lane| case.bundle_at(&format!("bundle-{lane}"))).collect();
    thread::scope(|scope| {
        for (lane, mut bundle) in bundles.into_iter().enumerate() {
            let (case, slice, deleted) = (&case, &slice, &deleted);
            scope.spawn(move || {
                bundle.args(&["sleep", "1000"]);
                for number in (lane..CONTAINERS).step_by(AT_A_TIME) {
                    let id = format!("{}-{number}", case.id);
                    bundle.config["linux"]["cgroupsPath"] = format!("{slice}:p:{id}").into();
                    bundle.write();
                    let run = case.coble().args(["--systemd-cgroup", "run", "--detach"]);
                    run.arg("--bundle").arg(&bundle.path).arg(&id).output().ok();
                    case.coble().args(["delete", "--force", &id]).output().ok();
                    deleted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(deleted.into_inner(), CONTAINERS);
    let list = case.tool("systemctl").args(["list-units", "--all", "--plain", "--no-legend"]);
    let units = list.arg(format!("p-{}*", case.id)).output().stdout();
    assert_eq!(units, "", "units are left");
    case.tool("systemctl").args(["stop", &slice]).output().ok();
    case.assert_clean();
}
