//! All rules together.

use super::rule::Rule;

/// An answer for everything, and rules that change it; of those that are about an access the last one
/// decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) default_allow: bool,
    pub(super) rules: Vec<Rule>,
}

impl Policy {
    /// Denies what no rule is about. Rules before one about everything don't count.
    pub(super) fn new(mut rules: Vec<Rule>) -> Self {
        let total = rules.iter().rposition(Rule::is_total);
        let default_allow = total.is_some_and(|index| rules[index].allow);
        rules.drain(..total.map_or(0, |index| index + 1));
        // The first rules say nothing new as long as they agree with the answer for everything.
        let first = rules.iter().position(|rule| rule.allow != default_allow);
        rules.drain(..first.unwrap_or(rules.len()));
        Self { default_allow, rules }
    }

    /// Whether there is nothing to enforce.
    pub(super) fn allows_all(&self) -> bool {
        self.default_allow && self.rules.is_empty()
    }
}
