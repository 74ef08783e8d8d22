//! Rules under conditions that count for nothing in other runtimes.

use crate::profile::{Profile, Rule};
use crate::table::CALLS;

/// A call with a rule under conditions that stands before one without, which has another action. Here the first one
/// decides; libseccomp, and so runc and crun, let the one without conditions stand before all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overruled {
    /// The call.
    pub call: &'static str,
    /// Which of the section's entries has conditions.
    pub conditional: usize,
    /// Which one has none.
    pub unconditional: usize,
}

impl Profile<'_> {
    /// The first such pair of each call, in the order of the second rules.
    pub fn overruled(&self) -> Vec<Overruled> {
        let found = self.calls.iter().enumerate().filter_map(|(place, last)| {
            let [Rule { action, conditions }] = self.rules_of(place) else { return None };
            let before = || (0..place).filter(|&other| self.calls[other].row == last.row);
            let is_first = before().all(|other| !self.is_unconditional(other));
            if !conditions.is_empty() || !is_first {
                return None;
            }
            let first = before().find(|&other| self.rules_of(other)[0].action != *action)?;
            let (conditional, unconditional) = (self.calls[first].entry, last.entry);
            Some(Overruled { call: CALLS[last.row].0, conditional, unconditional })
        });
        found.collect()
    }

    fn is_unconditional(&self, call: usize) -> bool {
        self.rules_of(call).iter().any(|rule| rule.conditions.is_empty())
    }
}
