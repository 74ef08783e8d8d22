//! Runs in cgroups of others, and under limits.

use std::fs;
use std::path::Path;

use coble_tests::{Case, Output, skip};
use serde_json::json;

use crate::{run, running};

pub(crate) fn in_a_frozen_cgroup(case: &Case) -> Option<Output> {
    legacy("freezer")?;
    let cgroup = Path::new("/sys/fs/cgroup/freezer").join(&case.id);
    fs::create_dir(&cgroup).unwrap();
    fs::write(cgroup.join("freezer.state"), "FROZEN").unwrap();
    let output = in_cgroup(case);
    fs::write(cgroup.join("freezer.state"), "THAWED").unwrap();
    fs::remove_dir(&cgroup).unwrap();
    output
}

/// A run in the cgroup that has the case's name.
pub(crate) fn in_cgroup(case: &Case) -> Option<Output> {
    let path = format!("/{}", case.id);
    run(case, |bundle| bundle.config["linux"]["cgroupsPath"] = path.into())
}

/// A run in a cgroup in which a process is already.
pub(crate) fn in_a_cgroup_of_others(case: &Case) -> Option<Output> {
    legacy("pids")?;
    let cgroup = Path::new("/sys/fs/cgroup/pids").join(&case.id);
    fs::create_dir(&cgroup).unwrap();
    let mut other = std::process::Command::new("sleep").arg("1000000").spawn().unwrap();
    fs::write(cgroup.join("cgroup.procs"), other.id().to_string()).unwrap();
    let output = in_cgroup(case);
    other.kill().unwrap();
    other.wait().unwrap();
    // It was there before.
    coble_tests::wait::until("the cgroup to be empty", || {
        fs::remove_dir(&cgroup).is_ok() || !cgroup.exists()
    });
    output
}

pub(crate) fn by_systemd(case: &Case, path: &str) -> Option<Output> {
    let mut bundle = case.bundle();
    bundle.config["linux"]["cgroupsPath"] = path.into();
    bundle.write();
    let run = case.coble().args(["--systemd-cgroup", "run", "--bundle"]).arg(&bundle.path);
    Some(run.arg(&case.id).output())
}

/// A v1 hierarchy of the controller.
pub(crate) fn legacy(controller: &str) -> Option<()> {
    let is_there = Path::new("/sys/fs/cgroup").join(controller).join("tasks").exists();
    if !is_there {
        skip(&format!("no cgroup v1 hierarchy of {controller}"));
    }
    is_there.then_some(())
}

/// A container with limits of 32 MiB of memory, and 48 MiB with swap.
pub(crate) fn with_swap(case: &Case) -> Option<()> {
    legacy("memory")?;
    if !Path::new("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists() {
        skip("no accounting of swap");
        return None;
    }
    let mut bundle = case.bundle();
    let memory = json!({"limit": 32 << 20, "swap": 48 << 20});
    bundle.config["linux"]["resources"]["memory"] = memory;
    case.detach(bundle.args(&["sleep", "1000000"]));
    Some(())
}

/// A container under cgroup v2 with the memory controller.
pub(crate) fn unified(case: &Case, update: &serde_json::Value) -> Option<Output> {
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    if !controllers.contains("memory") {
        skip("cgroup v2 has no memory controller here");
        return None;
    }
    let update = serde_json::to_vec(update).unwrap();
    let output = running(case).coble().args(["update", "-r", "-", &case.id]).stdin(&update);
    Some(output.output())
}
