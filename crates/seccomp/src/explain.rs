//! Which rule decides about a call, and why.

use crate::action::Action;
use crate::arch::Arch;
use crate::calls::{Entry, entries, left_out, news, through};
use crate::condition::Condition;
use crate::profile::Profile;

/// A call of which some arguments may be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The architecture of the program that makes it.
    pub arch: Arch,
    /// Its number, as the kernel tells it to a filter.
    pub number: u32,
    /// Its arguments, where they are known.
    pub args: [Option<u64>; 6],
}

/// What becomes of a call if certain conditions are met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The filter's answer.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// Comparisons of unknown arguments, all of which have to hold.
    pub open: Vec<String>,
    /// All comparisons of the rule, whether arguments are known or not.
    pub conditions: Vec<String>,
}

/// Why a filter answers so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A rule of the profile: which of its entries; and whether the rule is about a call that can be made through this one.
    Rule(usize, bool),
    /// No rule is about the call, or none has its conditions met.
    Default,
    /// The call is newer than all that the profile knows.
    Newer,
    /// Calls of the architecture aren't let through.
    Architecture,
    /// A tracer has the call left out.
    LeftOut,
}

impl Profile<'_> {
    /// What becomes of a call: the first case decides whose comparisons hold. The last one has none.
    pub fn explain(&self, asked: &Asked) -> Vec<Case> {
        let has = |audit: u32| self.archs.iter().any(|arch| arch.audit() == audit);
        if !has(asked.arch.audit()) {
            return vec![Case::plain(Action::KILL_THREAD, Reason::Architecture)];
        }
        match asked.arch.of_call(asked.number) {
            None => vec![Case::plain(left_out(self), Reason::LeftOut)],
            Some(arch) if self.archs.contains(&arch) => {
                self.cases(arch, &entries(self, arch), asked)
            }
            Some(_) => vec![Case::plain(Action::KILL_THREAD, Reason::Architecture)],
        }
    }

    /// The same for a call of one of the profile's architectures, with all that its rules are about, in order.
    pub(crate) fn cases(&self, arch: Arch, entries: &[Entry], asked: &Asked) -> Vec<Case> {
        let mut cases = Vec::new();
        let start = entries.partition_point(|entry| entry.number < asked.number);
        let own = entries[start..].iter().take_while(|entry| entry.number == asked.number);
        for entry in own.clone() {
            for case in self.rules(entry, arch, asked) {
                let is_last = case.open.is_empty();
                cases.push(case);
                if is_last {
                    return cases;
                }
            }
        }
        let is_unknown = own.clone().next().is_none();
        let first = news(self, entries).filter(|_| is_unknown);
        let is_new = first.is_some_and(|first| asked.number >= first)
            || first.is_some() && arch.has_setup() && asked.number == 0;
        cases.push(match is_new {
            true => Case::plain(Action::ENOSYS, Reason::Newer),
            false => Case::plain(self.default, Reason::Default),
        });
        cases
    }

    /// Those of an entry's rules that the known arguments leave open or meet.
    fn rules(&self, entry: &Entry, arch: Arch, asked: &Asked) -> Vec<Case> {
        let mut cases = Vec::new();
        let place = self.calls[entry.call].entry;
        for rule in self.rules_of(entry.call) {
            let rule = match entry.argument {
                None => Some(rule.clone()),
                Some(argument) => through(rule, argument, self.default),
            };
            let Some(rule) = rule else { continue };
            let met = |one: &Condition| one.is_met(arch, asked.args[usize::from(one.index)]);
            if rule.conditions.iter().any(|one| met(one) == Some(false)) {
                continue;
            }
            let words = |one: &Condition| one.on(arch).to_string();
            let open = rule.conditions.iter().filter(|one| met(one).is_none()).map(words);
            cases.push(Case {
                action: rule.action,
                reason: Reason::Rule(place, entry.argument.is_some()),
                open: open.collect(),
                conditions: rule.conditions.iter().map(words).collect(),
            });
        }
        cases
    }

    /// The number of an architecture's newest call that a rule is about, where later ones fail with `ENOSYS`.
    pub fn newest(&self, arch: Arch) -> Option<u32> {
        news(self, &entries(self, arch)).map(|first| first - 1)
    }
}

impl Case {
    fn plain(action: Action, reason: Reason) -> Self {
        Self { action, reason, open: Vec::new(), conditions: Vec::new() }
    }
}
