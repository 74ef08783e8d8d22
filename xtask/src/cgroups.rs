//! A pure cgroup2 view, the same on every machine.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::{Result, packages};

const TOP: &str = "/sys/fs/cgroup";

/// Says to a second start that the first one already made the view.
const MADE: &str = "COBLE_XTASK_CGROUP2";

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
