//! What a profile comes to: how many calls end in which way, and which of them are worth a thought.

use std::collections::BTreeMap;

use crate::action::Action;
use crate::arch::Arch;
use crate::calls::{Entry, entries};
use crate::danger::{DANGERS, Danger, argument};
use crate::explain::{Asked, Case};
use crate::profile::Profile;
use crate::table::CALLS;

/// What becomes of one architecture's calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The architecture.
    pub arch: Arch,
    /// How many calls always end in which action, the most frequent one first.
    pub counts: Vec<(Action, usize)>,
    /// Calls whose end depends on their arguments.
    pub conditional: Vec<&'static str>,
    /// The newest call that a rule is about, where all later ones fail with `ENOSYS`.
    pub newest: Option<(u32, Option<&'static str>)>,
    /// Calls that are let through and worth a thought.
    pub holes: Vec<Hole>,
}

/// A call that is let through, or all calls of an architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The call; none for all of the architecture's.
    pub call: Option<&'static str>,
    /// The capability that it takes besides; empty if none.
    pub capability: &'static str,
    /// Why it is worth a thought.
    pub reason: String,
}

impl Profile<'_> {
    /// One for each architecture whose calls the rules are about, the kernel's own first.
    pub fn survey(&self) -> Vec<Survey> {
        self.archs.iter().map(|&arch| self.survey_of(arch)).collect()
    }

    /// The architectures whose calls the rules are about, the kernel's own first.
    pub fn archs(&self) -> &[Arch] {
        &self.archs
    }

    /// What becomes of calls that no rule is about.
    pub fn default_action(&self) -> Action {
        self.default
    }

    fn survey_of(&self, arch: Arch) -> Survey {
        let one = One { profile: self, arch, entries: entries(self, arch) };
        let mut counts = BTreeMap::<Action, usize>::new();
        let mut conditional = Vec::new();
        for (row, (name, _)) in CALLS.iter().enumerate() {
            let Some(number) = arch.number_in(row) else { continue };
            match one.always(number) {
                Some(action) => *counts.entry(action).or_default() += 1,
                None => conditional.push(*name),
            }
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let newest = self.newest(arch).map(|number| (number, arch.call(number)));
        Survey { arch, counts, conditional, newest, holes: one.holes() }
    }
}

/// One architecture of a profile.
struct One<'a> {
    profile: &'a Profile<'a>,
    arch: Arch,
    entries: Vec<Entry>,
}

impl One<'_> {
    /// What becomes of a call, of which one argument may be known.
    fn cases(&self, number: u32, argument: Option<(usize, u64)>) -> Vec<Case> {
        let mut args = [None; 6];
        if let Some((index, value)) = argument {
            args[index] = Some(value);
        }
        let asked = Asked { arch: self.arch, number, args };
        self.profile.cases(self.arch, &self.entries, &asked)
    }

    /// What becomes of a call whatever its arguments are.
    fn always(&self, number: u32) -> Option<Action> {
        let cases = self.cases(number, None);
        let first = cases.first()?.action;
        cases.iter().all(|case| case.action == first).then_some(first)
    }

    /// Whether it is made, whatever the other arguments are.
    fn is_made(&self, number: u32, argument: Option<(usize, u64)>) -> bool {
        self.cases(number, argument).iter().all(|case| case.action.is_made())
    }

    fn holes(&self) -> Vec<Hole> {
        let mut holes = Vec::new();
        let hole =
            |call, capability, reason: &str| Hole { call, capability, reason: reason.to_owned() };
        if self.profile.archs.first() != Some(&self.arch) {
            let reason = "programs of another kind than the kernel's own, with entry code of their own in it";
            holes.push(hole(None, "", reason));
        }
        for danger in DANGERS {
            let Some(number) = self.arch.number(danger.name) else { continue };
            let argument = argument(danger, self.arch);
            if self.is_made(number, argument) {
                holes.push(hole(Some(danger.name), danger.capability, danger.reason));
            } else if self.is_made_past(danger, number) {
                let reason = format!("{}: {BITS}", danger.reason);
                holes.push(hole(Some(danger.name), danger.capability, &reason));
            }
        }
        if self.has_hidden_arguments() {
            let reason =
                "makes sockets past the conditions for socket, for its arguments are in memory";
            holes.push(hole(Some("socketcall"), "", reason));
        }
        holes
    }

    /// Whether it is made if the argument has a bit that the kernel passes over and the filter doesn't.
    fn is_made_past(&self, danger: &Danger, number: u32) -> bool {
        const BEYOND: u64 = 1 << 32;
        let argument = argument(danger, self.arch).filter(|_| danger.is_short);
        let argument = argument.filter(|_| self.arch.is_wide());
        argument.is_some_and(|(index, value)| self.is_made(number, Some((index, value | BEYOND))))
    }

    /// Whether conditions can be got round, since socketcall(2) has its arguments in memory.
    fn has_hidden_arguments(&self) -> bool {
        const SOCKET: u64 = 1;
        let socket = self.arch.number("socket");
        let has_conditions = socket.is_some_and(|socket| self.always(socket).is_none());
        let gate = self.arch.number("socketcall");
        has_conditions && gate.is_some_and(|gate| self.is_made(gate, Some((0, SOCKET))))
    }
}

/// Said of a condition on an argument of which the kernel takes the lower half.
const BITS: &str = "past the condition, with bits above the 32 that the kernel looks at";
