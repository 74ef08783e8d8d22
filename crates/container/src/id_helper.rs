//! newuidmap(1) and newgidmap(1), which map for plain users what `/etc/subuid` and `/etc/subgid` grant.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use coble_spec::IdMapping;
use coble_sys::rustix::fs::{Mode, StatVfsMountFlags, getxattr_query, stat, statvfs};
use coble_sys::rustix::thread::no_new_privs;

use crate::error::{Error, Result};
use crate::search_path::in_path;

/// Has the helper map the ids of a process.
///
/// # Errors
/// It isn't there, or refuses.
pub(crate) fn run(name: &str, pid: i32, mappings: &[IdMapping]) -> Result<()> {
    let path = find(name).map_err(Error::new)?;
    let numbers = mappings.iter().flat_map(|mapping| {
        [mapping.container_id, mapping.host_id, mapping.size].map(|number| number.to_string())
    });
    let output = Command::new(&path)
        .arg(pid.to_string())
        .args(numbers)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::at("run", &path, error).within("map ids"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(format!("map ids: {name}: {}", said.trim())))
}

/// Whether the helper is there and has the rights that it needs.
///
/// # Errors
/// What is missing, in words.
pub(crate) fn check(name: &str) -> std::result::Result<(), String> {
    let path = find(name)?;
    if !has_rights(&path) {
        return Err(format!(
            "{} has no rights: it is neither set-user-ID root nor has a file capability",
            path.display()
        ));
    }
    if statvfs(&path)
        .is_ok_and(|file_system| file_system.f_flag.contains(StatVfsMountFlags::NOSUID))
    {
        return Err(format!("{} gets no rights: it lies on a mount with nosuid", path.display()));
    }
    if no_new_privs().unwrap_or(false) {
        return Err(format!("{name} gets no rights: no_new_privs is set for the caller"));
    }
    Ok(())
}

fn find(name: &str) -> std::result::Result<PathBuf, String> {
    in_path(name).ok_or_else(|| {
        format!("{name} is not in $PATH: it comes with the package uidmap or shadow")
    })
}

fn has_rights(path: &Path) -> bool {
    let is_root = stat(path).is_ok_and(|stat| {
        stat.st_uid == 0 && Mode::from_raw_mode(stat.st_mode).contains(Mode::SUID)
    });
    is_root || getxattr_query(path, c"security.capability").is_ok()
}
