//! A cgroup below the container's that its program manages itself: the annotation `run.oci.delegate-cgroup` (crun.1).
//!
//! The container's limits stay where they are, one above. The cgroup namespace, if there is a new one, has the
//! container's cgroup as its root.

use std::collections::BTreeMap;
use std::fs;

use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::validate::quoted;

/// The annotation: a path below the container's cgroup; empty for none.
pub(crate) const DELEGATE: &str = "run.oci.delegate-cgroup";

/// Where it stands in `config.json`.
pub(crate) const POINTER: &str = "/annotations/run.oci.delegate-cgroup";

/// Checks the annotation's value.
///
/// # Errors
/// It names no cgroup below the container's.
pub(crate) fn check(value: &str) -> std::result::Result<(), String> {
    check_below("the container's cgroup", value)
}

/// Checks a path below a cgroup, which may be empty.
///
/// # Errors
/// It names no cgroup there.
pub(crate) fn check_below(above: &str, value: &str) -> std::result::Result<(), String> {
    let leads_out = value.split('/').any(|part| part == "..");
    if leads_out || !value.is_empty() && clean(value).is_empty() {
        return Err(format!("{} is no path below {above}", quoted(value)));
    }
    Ok(())
}

/// The path, without slashes at its ends, if there is one.
pub(crate) fn path(annotations: &BTreeMap<String, String>) -> Option<String> {
    annotations.get(DELEGATE).map(|value| clean(value)).filter(|path| !path.is_empty())
}

/// A path without slashes at its ends, and without empty and `.` parts.
pub(crate) fn clean(value: &str) -> String {
    let parts: Vec<&str> = value.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    parts.join("/")
}

/// Refuses what only cgroup v2 can do safely (cgroups(7), "Delegation"), and what needs a cgroup to be below.
///
/// # Errors
/// The host has cgroup v1, or the container has no cgroup.
pub(crate) fn refuse_without_cgroup2(facts: &Facts, unified: Option<&str>) -> Result<()> {
    let reason = if !facts.is_unified() {
        "a cgroup can be delegated with cgroup v2 alone"
    } else if unified.is_none() {
        "the container has no cgroup that could have one below"
    } else {
        return Ok(());
    };
    Err(Error::config(POINTER, format!("config.json: {POINTER}: {reason}")))
}

/// The user and group of the host who are root in the user namespace of a process, if it has one.
///
/// # Errors
/// Its maps can't be read.
pub(crate) fn root_of(pid: i32) -> Result<Option<(u32, u32)>> {
    let outside = |file: &str| -> Result<Option<u32>> {
        let path = format!("/proc/{pid}/{file}");
        let text = fs::read_to_string(&path).map_err(|error| Error::at("read", &path, error))?;
        Ok(first_id(&text))
    };
    Ok(outside("uid_map")?.zip(outside("gid_map")?))
}

/// What 0 is outside, user_namespaces(7).
fn first_id(map: &str) -> Option<u32> {
    map.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        (fields.next()? == "0").then(|| fields.next()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(value: &str) -> Option<String> {
        path(&BTreeMap::from([(DELEGATE.to_owned(), value.to_owned())]))
    }

    #[test]
    fn a_path_lies_below() {
        for (value, wanted) in
            [("a", Some("a")), ("/a//b/", Some("a/b")), ("./a..", Some("a..")), ("", None)]
        {
            assert_eq!(check(value), Ok(()), "{value}");
            assert_eq!(path_of(value).as_deref(), wanted, "{value}");
        }
        for value in ["..", "a/../b", "/", ".", "//."] {
            assert!(check(value).unwrap_err().contains("no path below"), "{value}");
        }
        assert_eq!(path(&BTreeMap::new()), None);
    }

    #[test]
    fn root_is_looked_up_in_the_map() {
        assert_eq!(first_id("         0     100000      65536\n"), Some(100_000));
        assert_eq!(first_id("1 5 1\n0 7 1\n"), Some(7));
        assert_eq!(first_id("10 5 1\n"), None);
        assert_eq!(first_id(""), None);
    }
}
