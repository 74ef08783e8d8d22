//! What becomes of each call of an architecture.

use std::borrow::Cow;

use crate::action::Action;
use crate::arch::Arch;
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
    let mut ranges =
        Ranges(vec![Range { start: arch.base(), outcome: Outcome::Always(profile.default) }]);
    let mut calls = calls(profile, arch);
    let news = news(profile, &calls);
    if let (Some(_), true) = (news, arch.has_setup()) {
        calls.insert(0, (0, Entry::Setup));
    }
    let mut rest = calls.as_slice();
    while let Some(&(number, _)) = rest.first() {
        let (same, after) = rest.split_at(rest.partition_point(|(other, _)| *other == number));
        rest = after;
        ranges.push(number, outcome(profile, same));
        ranges.push(number + 1, Outcome::Always(profile.default));
    }
    if let Some(first) = news {
        ranges.push(first, Outcome::Always(Action::ENOSYS));
    }
    ranges.0
}

/// Why a number has a rule.
#[derive(Clone, Copy)]
enum Entry<'a> {
    /// It is the call's own.
    Call(Call<'a>),
    /// The call can be made through it, with this first argument.
    Gate(Call<'a>, u32),
    /// It stands for all calls that the kernel doesn't know.
    Setup,
}

/// The numbers that rules are about, in order, and of one number the rules in their order.
fn calls<'a>(profile: &'a Profile<'_>, arch: Arch) -> Vec<(u32, Entry<'a>)> {
    let mut calls = Vec::with_capacity(profile.calls.len() + 32);
    for &call in &profile.calls {
        if let Some(number) = arch.number_in(call.row) {
            calls.push((number, Entry::Call(call)));
        }
        if let Some((number, argument)) = arch.gate(call.name) {
            calls.push((number, Entry::Gate(call, argument)));
        }
    }
    calls.sort_by_key(|(number, _)| *number);
    calls
}

/// The first call that is newer than everything that the profile knows, if those have an answer of their own: the
/// kernel's to calls it doesn't know, so that programs fall back to older ones.
fn news(profile: &Profile<'_>, calls: &[(u32, Entry<'_>)]) -> Option<u32> {
    if profile.default.lets_through() || profile.default == Action::ENOSYS {
        return None;
    }
    calls.last().map(|(number, _)| number + 1)
}

fn outcome<'a>(profile: &'a Profile<'_>, entries: &[(u32, Entry<'a>)]) -> Outcome<'a> {
    let mut found = Vec::new();
    for (_, entry) in entries {
        for rule in entry.rules(profile) {
            let is_last = rule.conditions.is_empty();
            found.push(rule);
            if is_last {
                return match found.as_slice() {
                    [only] => Outcome::Always(only.action),
                    _ => Outcome::Depends(found),
                };
            }
        }
    }
    if found.is_empty() {
        return Outcome::Always(profile.default);
    }
    found.push(Cow::Owned(Rule { action: profile.default, conditions: Vec::new() }));
    Outcome::Depends(found)
}

impl<'a> Entry<'a> {
    fn rules(self, profile: &'a Profile<'_>) -> Vec<Cow<'a, Rule>> {
        let of = |call: Call<'_>| &profile.rules[call.rules.0..][..call.rules.1];
        match self {
            Self::Call(call) => of(call).iter().map(Cow::Borrowed).collect(),
            Self::Gate(call, argument) => {
                let through = |rule| through(rule, argument, profile.default);
                of(call).iter().filter_map(through).map(Cow::Owned).collect()
            }
            Self::Setup => {
                vec![Cow::Owned(Rule { action: Action::ENOSYS, conditions: Vec::new() })]
            }
        }
    }
}

/// A rule for a call that is made through another. Its arguments are in memory then, where no filter can look: a rule
/// that denies does so whatever they are, and one that allows under conditions doesn't.
fn through(rule: &Rule, argument: u32, default: Action) -> Option<Rule> {
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
