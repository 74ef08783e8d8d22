//! A cgroup below that of systemd's unit, which is the container's: the annotation `run.oci.systemd.subgroup` (crun.1).
//!
//! The limits are there and, as properties, one above. A new cgroup namespace has it as its root.

use std::collections::BTreeMap;

use crate::delegation::{check_below, clean};
use crate::validate::Invalid;

/// The annotation: a path below the unit's cgroup; empty for none.
pub(crate) const SUBGROUP: &str = "run.oci.systemd.subgroup";

/// Where it stands in `config.json`.
const POINTER: &str = "/annotations/run.oci.systemd.subgroup";

/// Checks the annotation's value.
///
/// # Errors
/// It names no cgroup below the unit's.
pub(crate) fn check(value: &str) -> Result<(), String> {
    check_below("the unit's cgroup", value)
}

/// The path, without slashes at its ends; empty for none.
pub(crate) fn path(annotations: &BTreeMap<String, String>) -> String {
    annotations.get(SUBGROUP).map(|value| clean(value)).unwrap_or_default()
}

/// Refuses the annotation where systemd makes no unit that something could be below.
///
/// # Errors
/// It names a cgroup.
pub(crate) fn refuse_without_systemd(
    annotations: &BTreeMap<String, String>,
) -> Result<(), Invalid> {
    if path(annotations).is_empty() {
        return Ok(());
    }
    let reason = "there is no unit without --systemd-cgroup".to_owned();
    Err(Invalid::new(POINTER, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(SUBGROUP.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_path_lies_below_the_unit() {
        for (value, wanted) in [("container", "container"), ("/a//b/", "a/b"), ("", "")] {
            assert_eq!(check(value), Ok(()), "{value}");
            assert_eq!(path(&annotated(value)), wanted, "{value}");
        }
        for value in ["..", "a/../b", "/", "."] {
            assert!(check(value).unwrap_err().contains("no path below the unit's"), "{value}");
        }
        assert_eq!(path(&BTreeMap::new()), "");
    }

    #[test]
    fn without_a_unit_nothing_is_below() {
        assert!(refuse_without_systemd(&annotated("")).is_ok());
        assert!(refuse_without_systemd(&BTreeMap::new()).is_ok());
        let invalid = refuse_without_systemd(&annotated("a")).unwrap_err();
        assert_eq!(invalid.pointer, POINTER);
    }
}
