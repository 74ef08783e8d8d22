//! `update`: limits that change while the container is there, seen from inside and in the cgroup's files. On the
//! machine's own hierarchies, whichever version they are, and in a view of pure cgroup v2.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod devices;
mod limits;
mod refused;

use std::fs;
use std::path::{Path, PathBuf};

use coble_tests::{Bundle, Case, Cmd, HostCgroup, Output};
use serde_json::{Value, json};

const TOP: &str = "/sys/fs/cgroup";

/// A case on a machine that has these controllers, and the cgroup of [`sleeping`] containers.
fn limited(controllers: &[&str]) -> Option<(Case, HostCgroup)> {
    let case = Case::root()?;
    let cgroup = HostCgroup::with(controllers, &case.id)?;
    Some((case, cgroup))
}

fn sleeping(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.sh("trap 'exit 0' TERM; while :; do sleep 0.05; done");
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    bundle
}

fn update(case: &Case, flags: &[&str]) -> Cmd {
    case.coble().arg("update").args(flags).arg(&case.id)
}

/// `update --resources -`
fn update_json(case: &Case, resources: &Value) -> Output {
    update(case, &["--resources", "-"]).stdin(resources.to_string().as_bytes()).output()
}

/// What a file of the container's cgroup says on the host, and, checked to be the same, in the container's view.
#[track_caller]
fn value(case: &Case, cgroup: &HostCgroup, controller: &str, file: &str) -> String {
    let text = cgroup.read(controller, file);
    // Through its root: a process in a cgroup with next to no processor time would take its time.
    let below = cgroup.pick(format!("{controller}/"), String::new());
    let inside = format!("/proc/{}/root{TOP}/{below}{file}", case.pid());
    assert_eq!(fs::read_to_string(&inside).unwrap().trim_end(), text, "{inside}");
    text
}

fn v2_update(case: &Case, resources: &Value) -> Output {
    let update = case.coble_v2().args(["update", "-r", "-", &case.id]);
    update.stdin(resources.to_string().as_bytes()).output()
}

/// The container's v2 directory, wherever the host has v2.
fn v2_dir(case: &Case) -> PathBuf {
    let hybrid = Path::new(TOP).join("unified");
    if hybrid.exists() { hybrid.join(&case.id) } else { Path::new(TOP).join(&case.id) }
}

#[test]
fn v2_files_by_their_names() {
    let Some(case) = Case::root_v2() else { return };
    let mut bundle = sleeping(&case);
    bundle.namespace("cgroup").write();
    let run = case.coble_v2().args(["run", "-d", "-b"]).arg(&bundle.path).arg(&case.id);
    run.output().ok();
    let depth = || fs::read_to_string(v2_dir(&case).join("cgroup.max.depth")).unwrap();
    v2_update(&case, &json!({"unified": {"cgroup.max.depth": "3"}})).ok();
    assert_eq!(depth(), "3\n");
    let bad = json!({"unified": {"cgroup.max.depth": "4", "cgroup.nothing": "1"}});
    v2_update(&case, &bad).refused(&["/unified/cgroup.nothing: ", "cgroup.nothing: no such file"]);
    assert_eq!(depth(), "3\n", "set back");
    let inside = case.coble_v2().args(["exec", &case.id, "cat", "/sys/fs/cgroup/cgroup.max.depth"]);
    assert_eq!(inside.output().stdout(), "3\n");
    case.coble_v2().args(["delete", "--force", &case.id]).output().ok();
    case.assert_clean();
}
