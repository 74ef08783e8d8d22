//! A pure cgroup2 view, the same on every machine; and one of cgroup v1 alone, for limits that only that has.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, io};

use crate::{Result, packages, process};

const TOP: &str = "/sys/fs/cgroup";

/// Says to a second start that the first one already made the view.
const MADE: &str = "COBLE_XTASK_CGROUP2";

/// No mount takes this long unless it hangs.
const MOUNT_DEADLINE: Duration = Duration::from_secs(10);

/// Replaces the cgroup mounts of this process and its children by one cgroup2 mount, unless the machine has
/// just that. The view is a mount namespace of this process's own, so the program starts itself again in it.
pub(crate) fn enter_pure_view() -> Result<()> {
    if is_pure() {
        return Ok(());
    }
    if !packages::is_root() {
        return Err("a cgroup2 view of its own can only be made by root".into());
    }
    if std::env::var_os(MADE).is_some() {
        return Err(format!("{TOP} isn't cgroup2, even in a mount namespace of its own"));
    }
    let script = format!("umount -R {TOP} && mount -t cgroup2 none {TOP} && exec \"$@\"");
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let error = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(MADE, "1")
        .exec();
    Err(format!("unshare: {error}"))
}

/// Replaces the view that [`enter_pure_view`] made by the machine's hierarchies of version 1, which have the controllers
/// then. Version 2 is left out: crun runs no container where both have some.
pub(crate) fn enter_legacy_view() -> Result<()> {
    if std::env::var_os(MADE).is_none() {
        return Err(format!("{TOP} isn't this program's own to change"));
    }
    let script = "umount -R \"$0\" && mount -t tmpfs cgroup \"$0\" || exit
        for set in \"$@\"; do mkdir \"$0/$set\" && mount -t cgroup -o \"$set\" cgroup \"$0/$set\" || exit; done";
    let sets = hierarchies()?;
    process::succeed(Command::new("sh").args(["-c", script, TOP]).args(sets), MOUNT_DEADLINE)
        .map(drop)
}

/// What each hierarchy of version 1 has, as mount(8) takes it, cgroups(7).
fn hierarchies() -> Result<Vec<String>> {
    let text = fs::read_to_string("/proc/self/cgroup").map_err(|e| format!("own cgroups: {e}"))?;
    let sets = text.lines().filter_map(|line| line.split(':').nth(1));
    Ok(sets.filter(|set| !set.is_empty() && !set.starts_with("name=")).map(str::to_owned).collect())
}

/// Whether the cgroup2 at `/sys/fs/cgroup` has a controller.
pub(crate) fn has_controller(name: &str) -> bool {
    fs::read_to_string(Path::new(TOP).join("cgroup.controllers"))
        .is_ok_and(|all| all.split_whitespace().any(|one| one == name))
}

/// Whether `/sys/fs/cgroup` itself is cgroup2.
pub(crate) fn is_pure() -> bool {
    Path::new(TOP).join("cgroup.controllers").exists()
}

/// Every cgroup whose name starts with `prefix`.
pub(crate) fn named(prefix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from(TOP)];
    while let Some(folder) = open.pop() {
        for child in folders(&folder).unwrap_or_default() {
            let name = child.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(prefix) {
                found.push(child.clone());
            }
            open.push(child);
        }
    }
    found
}

fn folders(path: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    Ok(entries
        .into_iter()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect())
}
