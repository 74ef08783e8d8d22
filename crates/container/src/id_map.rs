//! Maps the ids of a new user namespace, user_namespaces(7).

use std::fmt::Write as _;
use std::fs;

use coble_spec::{IdMapping, Linux};

use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::id_helper;

/// Whether a mapping is the one that a process may write without rights: its own id, alone.
pub(crate) fn is_own_only(mappings: &[IdMapping], own: u32) -> bool {
    matches!(mappings, [IdMapping { host_id, size: 1, .. }] if *host_id == own)
}

/// Maps the ids of the process `pid`, which waits in its new user namespace.
///
/// # Errors
/// The kernel, or the helper that maps for plain users, refuses.
pub(crate) fn map_ids(pid: i32, linux: &Linux, facts: &Facts) -> Result<()> {
    let without_rights = |own| (!facts.maps_ids).then_some(own);
    if denies_groups(linux, facts) {
        // Without rights over groups a group mapping is allowed only once setgroups(2) is not.
        write_proc(pid, "setgroups", "deny")?;
    }
    map(pid, "gid_map", "newgidmap", &linux.gid_mappings, without_rights(facts.gid))?;
    map(pid, "uid_map", "newuidmap", &linux.uid_mappings, without_rights(facts.uid))
}

/// Whether the kernel demands that setgroups(2) is denied: newgidmap(1), which has the rights, leaves it alone.
pub(crate) fn denies_groups(linux: &Linux, facts: &Facts) -> bool {
    !facts.maps_ids && is_own_only(&linux.gid_mappings, facts.gid)
}

/// `own` is the id of a caller without rights.
fn map(pid: i32, file: &str, helper: &str, mappings: &[IdMapping], own: Option<u32>) -> Result<()> {
    if own.is_some_and(|own| !is_own_only(mappings, own)) {
        return id_helper::run(helper, pid, mappings);
    }
    write_proc(pid, file, &lines(mappings))
}

/// What `/proc/PID/uid_map` and `gid_map` take.
pub(crate) fn lines(mappings: &[IdMapping]) -> String {
    let mut lines = String::new();
    for mapping in mappings {
        // Writing to a String can't fail.
        let _ = writeln!(lines, "{} {} {}", mapping.container_id, mapping.host_id, mapping.size);
    }
    lines
}

/// Writes a file of the process.
pub(crate) fn write_proc(pid: i32, file: &str, text: &str) -> Result<()> {
    let path = format!("/proc/{pid}/{file}");
    fs::write(&path, text).map_err(|error| Error::at("write", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_own_id_needs_no_helper() {
        let mapping = |host_id, size| IdMapping { container_id: 0, host_id, size };
        assert!(is_own_only(&[mapping(1000, 1)], 1000));
        assert!(!is_own_only(&[mapping(1000, 2)], 1000));
        assert!(!is_own_only(&[mapping(1001, 1)], 1000));
        assert!(!is_own_only(&[mapping(1000, 1), mapping(100_000, 1)], 1000));
        assert!(!is_own_only(&[], 1000));
    }
}
