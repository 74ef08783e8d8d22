//! Maps the ids of a new user namespace, user_namespaces(7).

use std::fmt::Write as _;
use std::fs;

use coble_spec::{IdMapping, Linux, Namespace, NamespaceKind};

use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::id_helper;

/// Whether a mapping is the one that a process may write without rights: its own id, alone.
pub(crate) fn is_own_only(mappings: &[IdMapping], own: u32) -> bool {
    matches!(mappings, [IdMapping { host_id, size: 1, .. }] if *host_id == own)
}

/// The mappings of users and of groups that a configuration means. For a namespace that is joined Podman writes root's id
/// for itself where it knows none, as runc before 1.2 asked for some.
pub(crate) fn meant(linux: &Linux) -> [&[IdMapping]; 2] {
    const STAND_IN: [IdMapping; 1] = [IdMapping { container_id: 0, host_id: 0, size: 1 }];
    let is_joined = |own: &Namespace| own.kind == NamespaceKind::User && !own.path.is_empty();
    let (uids, gids) = (linux.uid_mappings.as_slice(), linux.gid_mappings.as_slice());
    match linux.namespaces.iter().any(is_joined) && uids == STAND_IN && gids == STAND_IN {
        true => [&[], &[]],
        false => [uids, gids],
    }
}

/// Compares the mappings of the user namespace that the process `pid` has joined with those of the configuration.
///
/// # Errors
/// They differ; they can't be read.
pub(crate) fn confirm_mappings(pid: i32, linux: &Linux) -> Result<()> {
    for ((file, member), wanted) in
        [("uid_map", "uidMappings"), ("gid_map", "gidMappings")].into_iter().zip(meant(linux))
    {
        let path = format!("/proc/{pid}/{file}");
        let text = fs::read_to_string(&path).map_err(|error| Error::at("read", &path, error))?;
        if joined_up(wanted.to_vec()) != joined_up(read(&text)) {
            let pointer = format!("/linux/{member}");
            // The words of runc.
            let words = "user namespaces enabled, but both namespace path and non-matching mapping specified -- you may \
                         only provide one";
            return Err(Error::config(&pointer, format!("config.json: {pointer}: {words}")));
        }
    }
    Ok(())
}

/// What `/proc/PID/uid_map` and `gid_map` say, seen from the user namespace of this process.
fn read(text: &str) -> Vec<IdMapping> {
    let mapping = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map_while(|number| number.parse().ok());
        let (container_id, host_id) = (numbers.next()?, numbers.next()?);
        Some(IdMapping { container_id, host_id, size: numbers.next()? })
    };
    text.lines().filter_map(mapping).collect()
}

/// The same mappings in their order, each as long as can be: engines split them, and the kernel sorts them.
fn joined_up(mut mappings: Vec<IdMapping>) -> Vec<IdMapping> {
    mappings.sort_by_key(|mapping| mapping.container_id);
    mappings.dedup_by(|next, last| {
        let follows = |first: u32| first.checked_add(last.size);
        let is_next = follows(last.container_id) == Some(next.container_id)
            && follows(last.host_id) == Some(next.host_id);
        last.size += if is_next { next.size } else { 0 };
        is_next
    });
    mappings
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
    fn mappings_are_compared_by_what_they_do() {
        let of = |text: &str| joined_up(read(text));
        let kernels = "         0     100000       1000\n      1000     200000          1\n";
        assert_eq!(of("1000 200000 1\n400 100400 600\n0 100000 400\n"), of(kernels));
        assert_ne!(of("0 100000 1001\n"), of(kernels));
        assert_ne!(of("0 100000 1000\n"), of(kernels));
        assert_eq!(of("0 0 4294967295\n").len(), 1);
        assert_eq!(of(""), []);
    }

    #[test]
    fn the_stand_in_for_the_mappings_of_a_joined_namespace_is_none() {
        let mapping = |host_id| vec![IdMapping { container_id: 0, host_id, size: 1 }];
        let linux = |path: &str, host_id, gid_host_id| Linux {
            namespaces: vec![Namespace { kind: NamespaceKind::User, path: path.into() }],
            uid_mappings: mapping(host_id),
            gid_mappings: mapping(gid_host_id),
            ..Linux::default()
        };
        assert_eq!(meant(&linux("/n/user", 0, 0)), [&[], &[]]);
        for other in [linux("", 0, 0), linux("/n/user", 0, 1), linux("/n/user", 1, 0)] {
            assert_eq!(meant(&other), [&other.uid_mappings[..], &other.gid_mappings[..]]);
        }
    }

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
