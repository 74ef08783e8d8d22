//! What a container may leave behind, and how to find it.
//!
//! Every process, mount, cgroup and file of a case bears the case's id somewhere: in the environment or the
//! arguments of the runtime's processes, in the cgroup's path, in the root's path that a container's mount
//! table names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// How long processes that were killed may take to be gone.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Where a container that escapes would mount.
const SYSTEM: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The host's own mounts before the test.
#[derive(Debug)]
pub struct Before(Vec<String>);

impl Before {
    /// As they are now.
    #[must_use]
    pub fn now() -> Self {
        Self(system_mounts())
    }
}

/// Everything that is left of the case `tag` whose state root is `root`; one line each.
#[must_use]
pub fn find(tag: &str, root: &Path, before: &Before) -> Vec<String> {
    let mut left = Vec::new();
    let gone = wait::poll(GRACE, || processes(tag).is_empty().then_some(()));
    if gone.is_none() {
        left.extend(processes(tag));
    }
    left.extend(mounts(tag).into_iter().map(|mount| format!("mount: {mount}")));
    let new = system_mounts().into_iter().filter(|mount| !before.0.contains(mount));
    left.extend(new.map(|mount| format!("mount on the host: {mount}")));
    left.extend(cgroups(tag).into_iter().map(|path| format!("cgroup: {}", path.display())));
    left.extend(entries(root).into_iter().map(|path| format!("state: {}", path.display())));
    left
}

/// The live processes of the case, one line each; a process that only waits to be reaped isn't one.
#[must_use]
pub fn processes(tag: &str) -> Vec<String> {
    let describe = |pid: u32| {
        let line = read(pid, "cmdline").replace('\0', " ");
        format!("process: {pid} {} ({})", line.trim(), read(pid, "comm").trim())
    };
    pids(tag).into_iter().map(describe).collect()
}

fn pids(tag: &str) -> Vec<u32> {
    let mine = fs::read_link("/proc/self/ns/mnt").ok();
    let belongs = |&pid: &u32| {
        if pid == process::id() || is_zombie(pid) {
            return false;
        }
        let marked = ["environ", "cmdline", "cgroup"];
        marked.iter().any(|file| read(pid, file).contains(tag))
            || fs::read_link(format!("/proc/{pid}/ns/mnt")).ok() != mine
                && read(pid, "mountinfo").contains(tag)
    };
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(belongs).collect()
}

/// Whether the process only waits to be reaped. The first thread may be dead while others live on.
fn is_zombie(pid: u32) -> bool {
    let stat = read(pid, "stat");
    let dead =
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']));
    dead && fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count) < 2
}

/// A file of `/proc/PID`; empty if the process has gone or hides it.
fn read(pid: u32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Lines of the host's mount table that name the case.
fn mounts(tag: &str) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    table.lines().filter(|line| line.contains(tag)).map(str::to_owned).collect()
}

/// Mount points below the host's own folders, each as often as something is mounted there.
fn system_mounts() -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let point = |line: &str| line.split(' ').nth(4).map(str::to_owned);
    let system = |point: &String| SYSTEM.iter().any(|top| Path::new(point).starts_with(top));
    let mut points: Vec<String> = table.lines().filter_map(point).filter(system).collect();
    points.sort();
    let mut nth = 0;
    let mut previous = String::new();
    for point in &mut points {
        nth = if *point == previous { nth + 1 } else { 1 };
        previous.clone_from(point);
        *point = format!("{point} (no. {nth})");
    }
    points
}

/// The case's cgroups in every hierarchy, outermost first.
#[must_use]
pub fn cgroups(tag: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            // A link such as `cpu,cpuacct` leads to a folder that the walk meets by its own name.
            if path.is_symlink() || !path.is_dir() {
                continue;
            }
            if path.to_string_lossy().contains(tag) {
                found.push(path.clone());
            }
            folders.push(path);
        }
    }
    found.sort();
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

/// Kills every process of the case.
pub fn kill_all(tag: &str) {
    for pid in pids(tag) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            // It may have gone by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Removes whatever is left of a case, and its folder, so that one failed test doesn't spoil the next.
pub(crate) fn clear(tag: &str, dir: &Path) {
    kill_all(tag);
    let _ = wait::poll(GRACE, || pids(tag).is_empty().then_some(()));
    for mount in mounts(tag).iter().rev() {
        if let Some(point) = mount.split(' ').nth(4) {
            let _ = Command::new("umount").arg("-l").arg(point).status();
        }
    }
    // A process that has just died keeps its cgroup busy for a moment.
    let _ = wait::poll(GRACE, || {
        cgroups(tag).iter().rev().for_each(|cgroup| drop(fs::remove_dir(cgroup)));
        cgroups(tag).is_empty().then_some(())
    });
    let _ = fs::remove_dir_all(dir);
}
