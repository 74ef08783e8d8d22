//! Rules with conditions as a graph of tests.
//!
//! One argument is looked at after the other. Its values fall into ranges within which no condition on it changes; behind
//! each range are the rules that can still be met. The range is found by a balanced tree of tests, in the argument's upper
//! half first.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::action::Action;
use crate::arch::Arch;
use crate::condition::{Argument, Condition};
use crate::profile::Rule;

/// One word of a call, half an argument, of which some bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Word {
    /// Where it stands in `struct seccomp_data` (seccomp(2)), in bytes.
    pub(crate) offset: u32,
    pub(crate) mask: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Compare {
    Eq,
    Ge,
}

/// A comparison of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Test {
    pub(crate) word: Word,
    pub(crate) compare: Compare,
    pub(crate) value: u32,
}

/// A place in a [`Graph`].
pub(crate) type Place = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    Answer(Action),
    Branch { test: Test, yes: Place, no: Place },
}

/// Nodes, each of which stands behind those that it leads to. No two are the same.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    places: BTreeMap<Node, Place>,
    /// What was added, and where each begins.
    added: Vec<(Kind, Vec<Rule>, Place)>,
}

/// What matters of an architecture here: whether its arguments are wide, and whether their lower half comes first.
type Kind = (bool, bool);

impl Graph {
    /// Adds rules, of which the last one has no conditions, and says where to begin.
    pub(crate) fn add(&mut self, rules: &[Cow<'_, Rule>], arch: Arch) -> Place {
        let on = |rule: &Cow<'_, Rule>| Rule {
            action: rule.action,
            conditions: rule.conditions.iter().map(|one| one.on(arch)).collect(),
        };
        let rules: Vec<Rule> = rules.iter().map(on).collect();
        let kind = (arch.is_wide(), arch.is_little_endian());
        // x32 and x86-64 mostly have the same ones.
        if let Some((.., place)) =
            self.added.iter().find(|(of, same, _)| *of == kind && *same == rules)
        {
            return *place;
        }
        let place = self.compile(&rules, arch);
        self.added.push((kind, rules, place));
        place
    }

    fn compile(&mut self, rules: &[Rule], arch: Arch) -> Place {
        let all = (0..).zip(rules).map(|(rule, Rule { conditions, .. })| Pending {
            rule,
            // There is one for each argument at most.
            conditions: (1 << conditions.len()) - 1,
        });
        let all = upto_met(all);
        let mut walk = Walk { graph: self, rules, arch, known: BTreeMap::new(), work: 0 };
        match walk.from(all, 0) {
            Some(place) => place,
            None => self.plainly(rules, arch),
        }
    }

    /// The rules one after the other, each condition by itself.
    fn plainly(&mut self, rules: &[Rule], arch: Arch) -> Place {
        let mut unmet = 0; // the last rule has no conditions
        for rule in rules.iter().rev() {
            let mut met = self.node(Node::Answer(rule.action));
            for condition in rule.conditions.iter().rev() {
                let mut ranges = Ranges::default();
                for start in edges([condition]) {
                    ranges.push(start, if condition.holds_for(start) { met } else { unmet });
                }
                met = self.search(condition.argument(), arch, &ranges);
            }
            unmet = met;
        }
        unmet
    }

    /// Finds the range in which an argument lies.
    fn search(&mut self, argument: Argument, arch: Arch, ranges: &Ranges<u64>) -> Place {
        let [high, low] = halves(argument, arch);
        let mut upper = Ranges::default();
        let mut before = None;
        for same in ranges.0.chunk_by(|(one, _), (other, _)| one >> 32 == other >> 32) {
            let half = (same[0].0 >> 32) as u32;
            if half > high.mask {
                break;
            }
            let mut lower = Ranges::default();
            before.into_iter().for_each(|place| lower.push(0, place));
            for &(start, place) in same.iter().filter(|(start, _)| *start as u32 <= low.mask) {
                lower.push(start as u32, place);
            }
            upper.push(half, self.tree(low, &lower.0));
            before = same.last().map(|(_, place)| *place);
            if let (Some(next), Some(place)) = (half.checked_add(1), before)
                && next <= high.mask
            {
                upper.push(next, place);
            }
        }
        self.tree(high, &upper.0)
    }

    /// Finds the range in which a word lies.
    fn tree(&mut self, word: Word, ranges: &[(u32, Place)]) -> Place {
        let (test, yes, no) = match *ranges {
            [(_, place)] => return place,
            _ if word.mask != u32::MAX => return self.points(word, ranges),
            [(_, one), (value, other), (end, again)] if one == again && end == value + 1 => {
                (Test { word, compare: Compare::Eq, value }, other, one)
            }
            _ => {
                let (lower, upper) = ranges.split_at(ranges.len() / 2);
                let test = Test { word, compare: Compare::Ge, value: upper[0].0 };
                (test, self.tree(word, upper), self.tree(word, lower))
            }
        };
        self.node(Node::Branch { test, yes, no })
    }

    /// The same for a word of which some bits count: one value after the other, for there is no order in which they are
    /// compared with. The values of the shortest range come first.
    fn points(&mut self, word: Word, ranges: &[(u32, Place)]) -> Place {
        let ends = ranges[1..].iter().map(|(start, _)| start - 1).chain([word.mask]);
        let lengths = ranges.iter().zip(ends).map(|((start, _), end)| end - start);
        let shortest = (0..).zip(lengths).min_by_key(|(_, length)| *length);
        let (nth, length): (usize, u32) = shortest.unwrap_or_default();
        let (start, yes) = ranges[nth];
        // The first range stays the one that begins with zero.
        let value = if nth == 0 { length } else { start };
        let mut rest = Ranges::default();
        for (other, &(start, place)) in ranges.iter().enumerate() {
            match other == nth {
                true if nth > 0 && length == 0 => {}
                true if nth > 0 => rest.push(start + 1, place),
                false if nth == 0 && other == 1 => rest.push(value, place),
                _ => rest.push(start, place),
            }
        }
        let no = self.tree(word, &rest.0);
        self.node(Node::Branch { test: Test { word, compare: Compare::Eq, value }, yes, no })
    }

    fn node(&mut self, node: Node) -> Place {
        if let Node::Branch { yes, no, .. } = node
            && yes == no
        {
            return yes;
        }
        *self.places.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        })
    }
}

/// Where each range begins, and where it leads to; it ends where the next one begins. The first begins at zero, and
/// neighbours lead to different places.
struct Ranges<T>(Vec<(T, Place)>);

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Ranges<T> {
    /// From here on, which isn't before the last range.
    fn push(&mut self, start: T, place: Place) {
        if self.0.last().is_some_and(|(last, _)| *last == start) {
            self.0.pop();
        }
        if self.0.last().is_none_or(|(_, last)| *last != place) {
            self.0.push((start, place));
        }
    }
}

/// A rule that can still be met, and which of its conditions aren't known to be met: a bit for each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pending {
    rule: usize,
    conditions: u8,
}

/// No rule behind one that is met matters.
fn upto_met(pending: impl Iterator<Item = Pending>) -> Vec<Pending> {
    let mut all = Vec::new();
    for one in pending {
        all.push(one);
        if one.conditions == 0 {
            break;
        }
    }
    all
}

/// A way through the arguments.
struct Walk<'a> {
    graph: &'a mut Graph,
    rules: &'a [Rule],
    arch: Arch,
    known: BTreeMap<Vec<Pending>, Place>,
    work: usize,
}

/// More looks at a rule than this, or more arguments with different masks one after the other, and the rules are left as
/// they stand: together they would make too long a filter, or take too long.
const WORK: usize = 1 << 20;
const DEPTH: usize = 64;

impl Walk<'_> {
    fn from(&mut self, pending: Vec<Pending>, depth: usize) -> Option<Place> {
        let first = pending[0];
        if first.conditions == 0 {
            return Some(self.graph.node(Node::Answer(self.rules[first.rule].action)));
        }
        if let Some(&place) = self.known.get(&pending) {
            return Some(place);
        }
        let next = first.conditions.trailing_zeros() as usize;
        let rules = self.rules;
        let argument = rules[first.rule].conditions[next].argument();
        let on: Vec<_> = pending.iter().map(|one| on(rules, *one, argument)).collect();
        let mut ranges = Ranges::default();
        let mut last = None;
        for start in edges(on.iter().flatten().map(|(_, condition)| *condition)) {
            self.work += pending.len();
            if self.work > WORK || depth > DEPTH {
                return None;
            }
            let left = pending.iter().zip(&on).filter_map(|(one, on)| match on {
                None => Some(*one),
                Some((bit, condition)) => condition
                    .holds_for(start)
                    .then_some(Pending { conditions: one.conditions & !bit, ..*one }),
            });
            let left = upto_met(left);
            if last.as_ref() != Some(&left) {
                ranges.push(start, self.from(left.clone(), depth + 1)?);
                last = Some(left);
            }
        }
        let place = self.graph.search(argument, self.arch, &ranges);
        self.known.insert(pending, place);
        Some(place)
    }
}

/// The rule's condition on an argument that isn't known to be met, and its bit.
fn on(rules: &[Rule], pending: Pending, argument: Argument) -> Option<(u8, &Condition)> {
    let conditions = rules[pending.rule].conditions.iter().enumerate();
    conditions
        .map(|(index, condition)| (1 << index, condition))
        .find(|(bit, condition)| pending.conditions & bit != 0 && condition.argument() == argument)
}

/// Where a condition's answer may change, in order.
fn edges<'a>(conditions: impl IntoIterator<Item = &'a Condition>) -> Vec<u64> {
    let mut edges = vec![0];
    edges.extend(conditions.into_iter().flat_map(|condition| condition.edges()));
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Where in `struct seccomp_data` the arguments begin, in bytes.
const ARGUMENTS: u32 = 16;

/// The upper one first.
fn halves(argument: Argument, arch: Arch) -> [Word; 2] {
    let start = ARGUMENTS + 8 * u32::from(argument.index);
    let (high, low) = if arch.is_little_endian() { (4, 0) } else { (0, 4) };
    [
        Word { offset: start + high, mask: (argument.mask >> 32) as u32 },
        Word { offset: start + low, mask: argument.mask as u32 },
    ]
}
