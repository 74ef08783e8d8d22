//! Device rules of cgroup v1: an answer for everything, and exceptions from it, of which any that covers an
//! access decides (the kernel's Documentation/admin-guide/cgroup-v1/devices.rst).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::policy::Policy;
use super::rule::{self, ALL, Kind, MKNOD, READ, Rule, WRITE};
use crate::file::Writer;
use crate::place::Place;
use crate::{Cgroup, Error, file};

/// A set of devices; every number if there is none.
pub(super) type Devices = (Kind, Option<u32>, Option<u32>);

/// The state of a v1 cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exceptions {
    pub(super) default_allow: bool,
    /// The accesses that are excepted.
    pub(super) table: BTreeMap<Devices, u8>,
}

impl Exceptions {
    /// # Errors
    /// [`Error::Value`] for a rule that would take some devices out of an exception for more of them: the
    /// kernel has no way to say that, and passes over it without a word.
    pub(super) fn new(policy: &Policy) -> Result<Self, Error> {
        let mut state = Self { default_allow: policy.default_allow, table: BTreeMap::new() };
        for rule in &policy.rules {
            for kind in kinds(rule) {
                state.add((kind, rule.major, rule.minor), rule)?;
            }
        }
        Ok(state)
    }

    /// All that any rule allows, whatever others deny.
    pub(super) fn allowances(policy: &Policy) -> BTreeMap<Devices, u8> {
        let mut table = BTreeMap::new();
        for rule in policy.rules.iter().filter(|rule| rule.allow) {
            for kind in kinds(rule) {
                *table.entry((kind, rule.major, rule.minor)).or_default() |= rule.access;
            }
        }
        table
    }

    fn add(&mut self, devices: Devices, rule: &Rule) -> Result<(), Error> {
        if rule.allow != self.default_allow {
            *self.table.entry(devices).or_default() |= rule.access;
            return Ok(());
        }
        for (excepted, access) in &mut self.table {
            if covers(devices, *excepted) {
                *access &= !rule.access;
            } else if overlaps(devices, *excepted) && *access & rule.access != 0 {
                return Err(Error::value(
                    rule::POINTER,
                    format!(
                        "cgroup v1 can't take {} out of an earlier rule for {}",
                        line(devices, rule.access),
                        line(*excepted, *access)
                    ),
                ));
            }
        }
        self.table.retain(|_, access| *access != 0);
        Ok(())
    }

    /// Reads `devices.list`, which tells only of what is allowed: exceptions from that are not in it.
    fn parse(list: &str) -> Option<Self> {
        let mut state = Self { default_allow: false, table: BTreeMap::new() };
        for line in list.lines() {
            let (kind, rest) = line.split_once(' ')?;
            let (numbers, letters) = rest.split_once(' ')?;
            let (major, minor) = numbers.split_once(':')?;
            let number = |text: &str| match text {
                "*" => Some(None),
                text => text.parse().ok().map(Some),
            };
            let kind = match kind {
                "a" => {
                    state.default_allow = true;
                    continue;
                }
                "b" => Kind::Block,
                "c" => Kind::Char,
                _ => return None,
            };
            let access = LETTERS.iter().filter(|(_, letter)| letters.contains(*letter));
            let access = access.fold(0, |access, (bit, _)| access | bit);
            *state.table.entry((kind, number(major)?, number(minor)?)).or_default() |= access;
        }
        Some(state)
    }
}

fn kinds(rule: &Rule) -> impl Iterator<Item = Kind> {
    let only = rule.kind;
    [Kind::Block, Kind::Char].into_iter().filter(move |kind| only.is_none_or(|only| only == *kind))
}

/// Whether all of `inner` is in `outer`.
fn covers(outer: Devices, inner: Devices) -> bool {
    let fits = |outer: Option<u32>, inner| outer.is_none() || outer == inner;
    outer.0 == inner.0 && fits(outer.1, inner.1) && fits(outer.2, inner.2)
}

fn overlaps(a: Devices, b: Devices) -> bool {
    let meet = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
    a.0 == b.0 && meet(a.1, b.1) && meet(a.2, b.2)
}

const LETTERS: [(u8, char); 3] = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')];

/// As `devices.allow` and `devices.deny` take it, such as `c 1:3 rwm`.
fn line((kind, major, minor): Devices, access: u8) -> String {
    let number = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
    let kind = match kind {
        Kind::Block => 'b',
        Kind::Char => 'c',
    };
    let mut line = String::new();
    let _ = write!(line, "{kind} {}:{} ", number(major), number(minor));
    line.push_str(&letters(access));
    line
}

/// Such as `rw`.
pub(super) fn letters(access: u8) -> String {
    LETTERS.iter().filter(|(bit, _)| access & bit != 0).map(|(_, letter)| letter).collect()
}

/// What to write to get from one state to another, in this order: to `devices.deny`, then to `devices.allow`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    /// Begins with `a`, which forgets all exceptions, if the answer for everything changes to no.
    deny: Vec<String>,
    /// Begins with `a` if the answer for everything changes to yes; that has to be written before the
    /// denials.
    allow: Vec<String>,
    /// The first line forgets everything, so that until the last one some devices are open that neither state allows, or
    /// closed that both do.
    begins_anew: bool,
}

/// An unknown state, or one that allows all but what it doesn't tell, has to be wiped out. Otherwise only
/// what differs is written, so that no device that stays allowed is out of reach for a moment.
fn change(from: Option<&Exceptions>, to: &Exceptions) -> Change {
    const EVERYTHING: &str = "a *:* rwm";
    let mut change = Change::default();
    let nothing = BTreeMap::new();
    let old = match from {
        Some(from) if !from.default_allow && !to.default_allow => &from.table,
        _ => {
            let first = if to.default_allow { &mut change.allow } else { &mut change.deny };
            first.push(EVERYTHING.to_owned());
            change.begins_anew = true;
            &nothing
        }
    };
    let (add, take) = if to.default_allow {
        (&mut change.deny, &mut change.allow)
    } else {
        (&mut change.allow, &mut change.deny)
    };
    let less = |access: u8, other: Option<&u8>| access & !other.copied().unwrap_or(0) & ALL;
    for (&devices, &access) in old {
        let lost = less(access, to.table.get(&devices));
        take.extend((lost != 0).then(|| line(devices, lost)));
    }
    for (&devices, &access) in &to.table {
        let gained = less(access, old.get(&devices));
        add.extend((gained != 0).then(|| line(devices, gained)));
    }
    change
}

/// What to write to a new cgroup, each line with its file.
#[cfg(test)]
pub(super) fn lines(state: &Exceptions) -> Vec<String> {
    let change = change(None, state);
    let of = |file: &'static str, lines: Vec<String>| {
        lines.into_iter().map(move |line| format!("{file} = {line}"))
    };
    let (deny, allow) = (of("devices.deny", change.deny), of("devices.allow", change.allow));
    if state.default_allow { allow.chain(deny).collect() } else { deny.chain(allow).collect() }
}

/// Brings a cgroup into the state. Its processes are held meanwhile if that takes a moment in which neither the old
/// rules hold nor the new ones.
///
/// # Errors
/// [`Error::Os`]; [`Error::Unreadable`] if the present state can't be understood; as [`Cgroup::freeze`].
pub(super) fn write(cgroup: &Cgroup, place: &Place, state: &Exceptions) -> Result<(), Error> {
    if place.is_fresh {
        return send(place, state, &change(None, state));
    }
    let change = change(Some(&read(place)?), state);
    if !change.begins_anew || cgroup.frozen()? {
        return send(place, state, &change);
    }
    cgroup.freeze()?;
    let sent = send(place, state, &change);
    cgroup.thaw()?;
    sent
}

fn send(place: &Place, state: &Exceptions, change: &Change) -> Result<(), Error> {
    let mut files = [("devices.deny", &change.deny), ("devices.allow", &change.allow)];
    if state.default_allow {
        files.reverse();
    }
    for (name, lines) in files {
        if lines.is_empty() {
            continue;
        }
        let file = Writer::open(place.dir(), name)?;
        lines.iter().try_for_each(|line| file.write(line))?;
    }
    Ok(())
}

/// The present state, as far as `devices.list` tells.
///
/// # Errors
/// [`Error::Os`]; [`Error::Unreadable`].
pub(super) fn read(place: &Place) -> Result<Exceptions, Error> {
    const LIST: &str = "devices.list";
    let path = format!("{}/{LIST}", place.dir());
    let list = file::text(file::read_all(&path)?, path.clone())?;
    Exceptions::parse(&list)
        .ok_or_else(|| Error::Unreadable { path, reason: format!("odd list {list:?}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(list: &str) -> Exceptions {
        Exceptions::parse(list).unwrap()
    }

    #[test]
    fn a_new_cgroup_is_wiped_out_first() {
        let to = state("c 1:3 rwm\nb *:* m\n");
        let change = change(None, &to);
        assert_eq!(change.deny, ["a *:* rwm"]);
        assert_eq!(change.allow, ["b *:* m", "c 1:3 rwm"]);
    }

    #[test]
    fn only_what_differs_is_written() {
        let from = state("c 1:3 rwm\nc 1:5 rw\nc 10:200 rwm\n");
        let to = state("c 1:3 rm\nc 1:5 rwm\nc 136:* rwm\n");
        let change = change(Some(&from), &to);
        assert!(!change.begins_anew, "at no time is anything else allowed");
        assert_eq!(change.deny, ["c 1:3 w", "c 10:200 rwm"]);
        assert_eq!(change.allow, ["c 1:5 m", "c 136:* rwm"]);
        assert_eq!(super::change(Some(&to), &to), Change::default());
    }

    #[test]
    fn a_list_that_allows_all_tells_nothing_more() {
        let all = state("a *:* rwm\n");
        assert!(all.default_allow);
        let to =
            Exceptions { default_allow: true, table: [((Kind::Block, Some(8), None), ALL)].into() };
        let written = change(Some(&all), &to);
        assert_eq!(written.allow, ["a *:* rwm"]);
        assert_eq!(written.deny, ["b 8:* rwm"]);
        assert_eq!(change(Some(&all), &state("c 1:3 r\n")).deny, ["a *:* rwm"]);
    }

    #[test]
    fn odd_lists_are_not_understood() {
        for list in ["c", "c 1:3", "c 1 rwm", "x 1:3 rwm", "c y:3 rwm"] {
            assert!(Exceptions::parse(list).is_none(), "{list}");
        }
    }
}
