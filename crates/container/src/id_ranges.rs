//! Which ids a new user namespace can have, as far as that can be seen before there is one.
//!
//! A caller with rights maps all ids of its own user namespace (user_namespaces(7)). Others map their own id, and by
//! newuidmap(1) and newgidmap(1) what subuid(5) and subgid(5) grant. How these files are read is a matter of the helpers,
//! which are asked in the end: what can't be known here is left to them.

use std::fs;
use std::ops::Range;

use coble_spec::{IdMapping, Linux, NamespaceKind, Spec};

use crate::compile::listed;
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::id_helper;
use crate::id_map::is_own_only;
use crate::passwd::names_of;

/// Users or groups.
struct Kind {
    /// The member of `linux` in `config.json`.
    member: &'static str,
    noun: &'static str,
    /// What the caller's own namespace maps.
    map: &'static str,
    helper: &'static str,
    /// What the helper goes by.
    grants: &'static str,
}

const USERS: Kind = Kind {
    member: "uidMappings",
    noun: "user",
    map: "/proc/self/uid_map",
    helper: "newuidmap",
    grants: "/etc/subuid",
};

const GROUPS: Kind = Kind {
    member: "gidMappings",
    noun: "group",
    map: "/proc/self/gid_map",
    helper: "newgidmap",
    grants: "/etc/subgid",
};

/// Checks the mappings of a container that is to have a new user namespace.
///
/// # Errors
/// With the place in `config.json`: ids that this caller can't map, or a helper that can't do it.
pub(crate) fn check(spec: &Spec, facts: &Facts) -> Result<()> {
    let own = listed(spec).iter().find(|own| own.kind == NamespaceKind::User);
    if !facts.is_rootless() || own.is_none_or(|own| !own.path.is_empty()) {
        return Ok(());
    }
    let none = Linux::default();
    let linux = spec.linux.as_ref().unwrap_or(&none);
    USERS.check(&linux.uid_mappings, facts.uid, facts)?;
    GROUPS.check(&linux.gid_mappings, facts.gid, facts)
}

impl Kind {
    /// `own` is the caller's own id.
    fn check(&self, mappings: &[IdMapping], own: u32, facts: &Facts) -> Result<()> {
        if !facts.is_initial_user_namespace {
            self.check_outer(mappings)?;
        }
        if facts.maps_ids || is_own_only(mappings, own) {
            return Ok(());
        }
        id_helper::check(self.helper).map_err(|reason| {
            self.refuse("", format!("a caller without rights needs {}: {reason}", self.helper))
        })?;
        self.check_granted(mappings, own, facts.uid)
    }

    /// A new user namespace can have no ids but those of the one that it is made in, and each range lies in one there.
    fn check_outer(&self, mappings: &[IdMapping]) -> Result<()> {
        let text = read(self.map).map_err(|error| Error::at("read", self.map, error))?;
        let outer: Vec<Range<u64>> = text.lines().filter_map(inside).collect();
        let is_outside = |mapping: &IdMapping| {
            let wanted = range(mapping);
            !outer.iter().any(|outer| outer.start <= wanted.start && wanted.end <= outer.end)
        };
        let Some(index) = mappings.iter().position(is_outside) else { return Ok(()) };
        let ids = shown(&range(&mappings[index]));
        let reason = format!(
            "the {} ids {ids} are not in one range of the user namespace that this process is in",
            self.noun
        );
        Err(self.refuse(&format!("/{index}"), reason))
    }

    /// The helper grants the caller's own id, and what its file says.
    fn check_granted(&self, mappings: &[IdMapping], own: u32, uid: u32) -> Result<()> {
        let (switch, noun) = (read("/etc/nsswitch.conf").unwrap_or_default(), self.noun);
        if !is_of_files(&switch, "subid") {
            return Ok(());
        }
        let names = names_of(uid);
        let Some(name) = names.first() else {
            let reason = format!("{} needs a name for user {uid} in /etc/passwd", self.helper);
            let known = is_of_files(&switch, "passwd");
            return if known { Err(self.refuse("", reason)) } else { Ok(()) };
        };
        let text = read(self.grants).unwrap_or_default();
        let granted = granted(&text, |owner| {
            owner.parse() == Ok(uid) || names.iter().any(|name| name == owner)
        });
        for (index, mapping) in mappings.iter().enumerate() {
            let wanted = range(mapping);
            if mapping.size == 1 && mapping.host_id == own {
                continue;
            }
            if let Some(missing) = missing(&granted, &wanted) {
                let reason = format!(
                    "user {name} ({uid}) may not map the {noun} ids {} of the host: {} lacks the line {name}:{}:{}",
                    shown(&missing),
                    self.grants,
                    missing.start,
                    missing.end - missing.start
                );
                return Err(self.refuse(&format!("/{index}"), reason));
            }
        }
        Ok(())
    }

    fn refuse(&self, below: &str, reason: String) -> Error {
        let pointer = format!("/linux/{}{below}", self.member);
        let words = format!("config.json: {pointer}: {reason}");
        Error::config(pointer, words)
    }
}

fn read(path: &str) -> std::io::Result<String> {
    fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned())
}

/// The ids outside.
fn range(mapping: &IdMapping) -> Range<u64> {
    let first = u64::from(mapping.host_id);
    first..first + u64::from(mapping.size)
}

fn shown(range: &Range<u64>) -> String {
    format!("{}-{}", range.start, range.end - 1)
}

/// The ids inside of a line of `uid_map`.
fn inside(line: &str) -> Option<Range<u64>> {
    let mut fields = line.split_whitespace().map(str::parse::<u64>);
    let first = fields.next()?.ok()?;
    Some(first..first + fields.nth(1)?.ok()?)
}

/// Whether nsswitch.conf(5) has this database in files alone, as it is if nothing is said of it.
fn is_of_files(switch: &str, database: &str) -> bool {
    let line = switch
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(database)?.trim_start().strip_prefix(':'));
    let words = line.and_then(|line| line.split('#').next()).unwrap_or_default();
    // systemd knows of users that have no ranges.
    words
        .split_whitespace()
        .all(|word| word.starts_with('[') || matches!(word, "files" | "compat" | "systemd"))
}

/// What the lines `OWNER:FIRST:COUNT` grant to owners of whom `is_own` says so.
fn granted(text: &str, is_own: impl Fn(&str) -> bool) -> Vec<Range<u64>> {
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let first: u32 = fields.next()?.parse().ok()?;
        let count: u32 = fields.next()?.parse().ok()?;
        let is_line = fields.next().is_none() && is_own(owner);
        is_line.then(|| u64::from(first)..u64::from(first) + u64::from(count))
    });
    lines.collect()
}

/// The first ids of `wanted` that are in none of the ranges, up to the next that is.
fn missing(granted: &[Range<u64>], wanted: &Range<u64>) -> Option<Range<u64>> {
    let mut next = wanted.start;
    while next < wanted.end {
        let known =
            granted.iter().filter(|range| range.contains(&next)).map(|range| range.end).max();
        let Some(end) = known else {
            let later = granted.iter().map(|range| range.start).filter(|start| *start > next);
            return Some(next..later.min().map_or(wanted.end, |start| start.min(wanted.end)));
        };
        next = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_user_by_name_and_number_count() {
        let text = "# comment\nann:100000:1000\nbob:101000:1000\n1000:102000:10\nann:5:x\n\
                    ann:7:8:9\nann::3\nann:200000:0\n";
        let own = |owner: &str| owner == "ann" || owner == "1000";
        let ranges = granted(text, own);
        assert_eq!(ranges, [100_000..101_000, 102_000..102_010, 200_000..200_000]);
    }

    #[test]
    fn the_first_gap_is_what_is_missing() {
        let granted = [20..30, 30..35, 50..60, 52..55];
        for (wanted, gap) in [
            (20..30, None),
            (22..35, None),
            (50..60, None),
            (20..36, Some(35..36)),
            (10..60, Some(10..20)),
            (34..60, Some(35..50)),
            (70..80, Some(70..80)),
        ] {
            assert_eq!(missing(&granted, &wanted), gap, "{wanted:?}");
        }
        assert_eq!(missing(&[], &(1..3)), Some(1..3));
    }

    #[test]
    fn other_sources_than_files_are_told_apart() {
        let text = "passwd: files systemd # sss\ngroup: files\nsubid : sss\nhosts: files dns\n";
        assert!(is_of_files(text, "passwd"));
        assert!(!is_of_files(text, "subid"));
        assert!(is_of_files("", "subid"));
        assert!(is_of_files("passwd: files [NOTFOUND=return] systemd", "passwd"));
        assert!(!is_of_files("passwd: files sss", "passwd"));
        assert!(is_of_files("#passwd: sss\n", "passwd"));
    }

    #[test]
    fn a_line_of_a_map() {
        assert_eq!(inside("         0     100000      65536"), Some(0..65536));
        assert_eq!(inside("0 0 4294967295"), Some(0..4_294_967_295));
        assert_eq!(inside(""), None);
    }
}
