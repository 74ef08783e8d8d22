//! What becomes of each call of an architecture.

use std::borrow::Cow;

use crate::action::Action;
use crate::arch::{Arch, Gate};
use crate::condition::Condition;
use crate::profile::{Call, Profile, Rule};

/// What becomes of the calls from a number on, to the next range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range<'a> {
    pub(crate) start: u32,
    pub(crate) outcome: Outcome<'a>,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<'a> {
    /// Always the same.
    Always(Action),
    /// The first rule decides whose conditions are all met; the last one has none.
    Depends(Vec<Cow<'a, Rule>>),
}

/// The ranges of an architecture's calls. The first one begins at the architecture's lowest number, the last one has
/// no end.
pub(crate) fn ranges<'a>(profile: &'a Profile<'_>, arch: Arch) -> Vec<Range<'a>> {
    let entries = entries(profile, arch);
    let mut ranges = Ranges(Vec::with_capacity(entries.len()));
    let mut next = arch.base();
    let newer = news(profile, &entries).map_or(profile.default, |_| Action::ENOSYS);
    if newer != profile.default && arch.has_setup() {
        ranges.push(0, Outcome::Always(newer));
        next = 1;
    }
    for same in entries.chunk_by(|one, other| one.number == other.number) {
        let number = same[0].number;
        if number > next {
            ranges.push(next, Outcome::Always(profile.default));
        }
        ranges.push(number, outcome(profile, same));
        next = number + 1;
    }
    ranges.push(next, Outcome::Always(newer));
    ranges.0
}

/// That a number has rules.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) number: u32,
    /// Where in the profile.
    pub(crate) call: usize,
    /// The call that they are about can be made through this one, with this first argument.
    pub(crate) argument: Option<u32>,
}

/// The numbers that rules are about, in order, and of one number the rules in their order.
pub(crate) fn entries(profile: &Profile<'_>, arch: Arch) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(2 * profile.calls.len());
    for (call, Call { row, gate, .. }) in profile.calls.iter().enumerate() {
        if let Some(number) = arch.number_in(*row) {
            entries.push(Entry { number, call, argument: None });
        }
        if let Some(Gate { row, argument }) = *gate
            && let Some(number) = arch.number_in(row)
        {
            entries.push(Entry { number, call, argument: Some(argument) });
        }
    }
    in_order(entries, arch.base())
}

/// Sorts by number, and leaves entries of one number in their order. Numbers are dense, so that counting them is the
/// shortest way.
fn in_order(mut entries: Vec<Entry>, base: u32) -> Vec<Entry> {
    const MOST: usize = 1024;
    let place = |entry: &Entry| (entry.number - base) as usize;
    if entries.iter().any(|entry| place(entry) >= MOST) {
        // Those that 32-bit Arm has of its own.
        entries.sort_by_key(|entry| entry.number);
        return entries;
    }
    let mut ends = [0_u32; MOST];
    for entry in &entries {
        ends[place(entry)] += 1;
    }
    let mut end = 0;
    for count in &mut ends {
        end += *count;
        *count = end;
    }
    let mut sorted = entries.clone();
    for entry in entries.iter().rev() {
        let end = &mut ends[place(entry)];
        *end -= 1;
        sorted[*end as usize] = *entry;
    }
    sorted
}

/// The first call that is newer than everything that the profile knows, if those have an answer of their own: the
/// kernel's to calls it doesn't know, so that programs fall back to older ones.
pub(crate) fn news(profile: &Profile<'_>, entries: &[Entry]) -> Option<u32> {
    if profile.default.lets_through() || profile.default == Action::ENOSYS {
        return None;
    }
    entries.last().map(|entry| entry.number + 1)
}

/// What becomes of a call that a tracer has left out, which has the number -1: where x32's calls have rules it is newer than all
/// of them, as in runc's filters, and a default action that kills doesn't meet it.
pub(crate) fn left_out(profile: &Profile<'_>) -> Action {
    let x32 = profile.archs.contains(&Arch::X32).then(|| entries(profile, Arch::X32));
    x32.and_then(|x32| news(profile, &x32)).map_or(profile.default, |_| Action::ENOSYS)
}

fn outcome<'a>(profile: &'a Profile<'_>, entries: &[Entry]) -> Outcome<'a> {
    // Most calls are so.
    if let [Entry { call, argument: None, .. }] = entries
        && let [Rule { action, conditions }] = profile.rules_of(*call)
        && conditions.is_empty()
    {
        return Outcome::Always(*action);
    }
    let mut found: Vec<Cow<'a, Rule>> = Vec::new();
    let mut last = profile.default;
    'found: for entry in entries {
        for rule in profile.rules_of(entry.call) {
            let rule = match entry.argument {
                None => Some(Cow::Borrowed(rule)),
                Some(argument) => through(rule, argument, profile.default).map(Cow::Owned),
            };
            let Some(rule) = rule else { continue };
            if rule.conditions.is_empty() {
                last = rule.action;
                break 'found;
            }
            found.push(rule);
        }
    }
    // Whether these are met makes no difference.
    while found.pop_if(|rule| rule.action == last).is_some() {}
    if found.is_empty() {
        return Outcome::Always(last);
    }
    found.push(Cow::Owned(Rule { action: last, conditions: Vec::new() }));
    Outcome::Depends(found)
}

/// A rule for a call that is made through another. Its arguments are in memory then, where no filter can look: a rule
/// that denies does so whatever they are, and one that allows under conditions doesn't.
pub(crate) fn through(rule: &Rule, argument: u32, default: Action) -> Option<Rule> {
    if !rule.conditions.is_empty() && !rule.action.is_stricter(default) {
        return None;
    }
    Some(Rule { action: rule.action, conditions: vec![Condition::equal(0, argument)] })
}

/// Ranges of which neighbours differ.
struct Ranges<'a>(Vec<Range<'a>>);

impl<'a> Ranges<'a> {
    /// From a number on, which isn't below the last range's first.
    fn push(&mut self, start: u32, outcome: Outcome<'a>) {
        if self.0.last().is_some_and(|last| last.start == start) {
            self.0.pop();
        }
        if self.0.last().is_none_or(|last| last.outcome != outcome) {
            self.0.push(Range { start, outcome });
        }
    }
}
