//! Rules with conditions as a graph of tests.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::action::Action;
use crate::arch::Arch;
use crate::condition::{Condition, Op};
use crate::profile::Rule;

/// One word of a call, half an argument, of which some bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Word {
    /// Where it stands in `struct seccomp_data` (seccomp(2)), in bytes.
    pub(crate) offset: u32,
    pub(crate) mask: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Compare {
    Eq,
    Gt,
    Ge,
}

/// A comparison of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Test {
    pub(crate) word: Word,
    pub(crate) compare: Compare,
    pub(crate) value: u32,
}

/// A place in a [`Graph`].
pub(crate) type Place = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Answer(Action),
    Branch { test: Test, yes: Place, no: Place },
}

/// Nodes, each of which stands behind those that it leads to. No two are the same.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    places: HashMap<Node, Place>,
}

/// Where a condition's test leads to.
#[derive(Clone, Copy)]
enum Next {
    /// To another test of the condition.
    Test(usize),
    Met,
    Unmet,
}

/// A condition's tests, the first one first; or what always becomes of it.
enum Tests {
    Always(bool),
    Some(Vec<(Test, Next, Next)>),
}

/// A rule, a condition of it, a test of that.
type Position = (usize, usize, usize);

/// More visits or a longer way than this, and nothing is remembered about words any more.
const VISITS: usize = 4096;
const DEPTH: usize = 256;

impl Graph {
    /// Adds rules, of which the last one has no conditions, and says where to begin.
    pub(crate) fn add(&mut self, rules: &[Cow<'_, Rule>], arch: Arch) -> Place {
        let rules: Vec<(Action, Vec<Tests>)> = rules
            .iter()
            .map(|rule| {
                (rule.action, rule.conditions.iter().map(|one| tests(*one, arch)).collect())
            })
            .collect();
        let mut walk = Walk { graph: self, rules: &rules, memory: HashMap::new(), visits: 0 };
        match walk.from((0, 0, 0), &Facts::new(arch), 0) {
            Some(place) => place,
            None => self.plainly(&rules),
        }
    }

    /// The rules one after the other, each test as it stands.
    fn plainly(&mut self, rules: &[(Action, Vec<Tests>)]) -> Place {
        let mut unmet = 0; // the last rule has no conditions
        for (action, conditions) in rules.iter().rev() {
            let mut met = self.node(Node::Answer(*action));
            for condition in conditions.iter().rev() {
                met = self.condition(condition, met, unmet);
            }
            unmet = met;
        }
        unmet
    }

    fn condition(&mut self, condition: &Tests, met: Place, unmet: Place) -> Place {
        let tests = match condition {
            Tests::Always(true) => return met,
            Tests::Always(false) => return unmet,
            Tests::Some(tests) => tests,
        };
        let mut places = vec![0; tests.len()];
        for (index, &(test, yes, no)) in tests.iter().enumerate().rev() {
            let place = |next| match next {
                Next::Test(later) => places[later],
                Next::Met => met,
                Next::Unmet => unmet,
            };
            let (yes, no) = (place(yes), place(no));
            places[index] = self.node(Node::Branch { test, yes, no });
        }
        places[0]
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

/// A way through the rules on which no test is made whose outcome is known.
struct Walk<'a> {
    graph: &'a mut Graph,
    rules: &'a [(Action, Vec<Tests>)],
    memory: HashMap<(Position, Facts), Place>,
    visits: usize,
}

impl Walk<'_> {
    fn from(&mut self, mut position: Position, facts: &Facts, depth: usize) -> Option<Place> {
        loop {
            let (rule, condition, step) = position;
            let (action, conditions) = &self.rules[rule];
            let (test, yes, no) = match conditions.get(condition) {
                None => return Some(self.graph.node(Node::Answer(*action))),
                Some(Tests::Always(is_met)) => {
                    position = after(position, if *is_met { Next::Met } else { Next::Unmet });
                    continue;
                }
                Some(Tests::Some(tests)) => tests[step],
            };
            match facts.of(test.word).tell(test) {
                Some(answer) => position = after(position, if answer { yes } else { no }),
                None => return self.branch(position, test, [yes, no], facts, depth),
            }
        }
    }

    fn branch(
        &mut self,
        position: Position,
        test: Test,
        [yes, no]: [Next; 2],
        facts: &Facts,
        depth: usize,
    ) -> Option<Place> {
        let key = (position, facts.clone());
        if let Some(&place) = self.memory.get(&key) {
            return Some(place);
        }
        self.visits += 1;
        if self.visits > VISITS || depth > DEPTH {
            return None;
        }
        let yes = self.from(after(position, yes), &facts.with(test, true), depth + 1)?;
        let no = self.from(after(position, no), &facts.with(test, false), depth + 1)?;
        let place = self.graph.node(Node::Branch { test, yes, no });
        self.memory.insert(key, place);
        Some(place)
    }
}

fn after((rule, condition, _): Position, next: Next) -> Position {
    match next {
        Next::Test(step) => (rule, condition, step),
        Next::Met => (rule, condition + 1, 0),
        Next::Unmet => (rule + 1, 0, 0),
    }
}

/// Compares the upper half first, then, if it doesn't decide, the lower one.
fn tests(condition: Condition, arch: Arch) -> Tests {
    let condition = condition.on(arch);
    let [high, low] = halves(condition, arch);
    let value = [(condition.value >> 32) as u32, condition.value as u32];
    let (met, unmet) = match condition.op {
        Op::Ne | Op::Lt | Op::Le => (Next::Unmet, Next::Met),
        Op::Eq | Op::MaskedEq | Op::Ge | Op::Gt => (Next::Met, Next::Unmet),
    };
    let test = |word, compare, value| Test { word, compare, value };
    let last = match condition.op {
        Op::Eq | Op::Ne => Compare::Eq,
        Op::Ge | Op::Lt => Compare::Ge,
        Op::Gt | Op::Le => Compare::Gt,
        Op::MaskedEq => return masked([high, low], value),
    };
    let lower = (test(low, last, value[1]), met, unmet);
    if last == Compare::Eq {
        return Tests::Some(vec![(test(high, last, value[0]), Next::Test(1), unmet), lower]);
    }
    let above = (test(high, Compare::Gt, value[0]), met, Next::Test(1));
    Tests::Some(vec![above, (test(high, Compare::Eq, value[0]), Next::Test(2), unmet), lower])
}

/// Only halves of which bits count are looked at.
fn masked(words: [Word; 2], value: [u32; 2]) -> Tests {
    let mut halves: Vec<(Word, u32)> = words.into_iter().zip(value).collect();
    if halves.iter().any(|(word, value)| word.mask == 0 && *value != 0) {
        return Tests::Always(false);
    }
    halves.retain(|(word, _)| word.mask != 0);
    let last = halves.len().saturating_sub(1);
    let test = |(index, (word, value))| {
        let next = if index == last { Next::Met } else { Next::Test(index + 1) };
        (Test { word, compare: Compare::Eq, value }, next, Next::Unmet)
    };
    match halves.is_empty() {
        true => Tests::Always(true),
        false => Tests::Some(halves.into_iter().enumerate().map(test).collect()),
    }
}

/// Where in `struct seccomp_data` the arguments begin, in bytes.
const ARGUMENTS: u32 = 16;

fn halves(condition: Condition, arch: Arch) -> [Word; 2] {
    let start = ARGUMENTS + 8 * u32::from(condition.index);
    let (high, low) = if arch.is_little_endian() { (4, 0) } else { (0, 4) };
    [
        Word { offset: start + high, mask: (condition.mask >> 32) as u32 },
        Word { offset: start + low, mask: condition.mask as u32 },
    ]
}

/// What is known of words.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Facts {
    /// Upper halves that are always zero, by their place in an argument.
    zero: Option<u32>,
    known: Vec<(Word, Known)>,
}

/// What is known of a word: it lies between two values and is none of some others.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Known {
    least: u32,
    most: u32,
    others: Vec<u32>,
}

impl Facts {
    fn new(arch: Arch) -> Self {
        let upper = if arch.is_little_endian() { 4 } else { 0 };
        Self { zero: (!arch.is_wide()).then_some(upper), known: Vec::new() }
    }

    fn of(&self, word: Word) -> Known {
        if self.zero == Some(word.offset % 8) {
            return Known { least: 0, most: 0, others: Vec::new() };
        }
        let known = self.known.iter().find(|(other, _)| *other == word);
        let nothing = Known { least: 0, most: u32::MAX, others: Vec::new() };
        known.map_or(nothing, |(_, known)| known.clone())
    }

    fn with(&self, test: Test, answer: bool) -> Self {
        let mut facts = self.clone();
        let known = facts.of(test.word).with(test, answer);
        facts.known.retain(|(word, _)| *word != test.word);
        facts.known.push((test.word, known));
        facts.known.sort_unstable_by_key(|(word, _)| *word);
        facts
    }
}

impl Known {
    /// The test's answer, if it is known.
    fn tell(&self, test: Test) -> Option<bool> {
        let (least, most, value) = (self.least, self.most, test.value);
        match test.compare {
            Compare::Eq if least == most => Some(least == value),
            Compare::Eq => {
                let is_out = value < least || value > most || self.others.contains(&value);
                is_out.then_some(false)
            }
            Compare::Gt if least > value => Some(true),
            Compare::Gt => (most <= value).then_some(false),
            Compare::Ge if least >= value => Some(true),
            Compare::Ge => (most < value).then_some(false),
        }
    }

    /// With the answer to a test that isn't known yet.
    fn with(mut self, test: Test, answer: bool) -> Self {
        let value = test.value;
        match (test.compare, answer) {
            (Compare::Eq, true) => (self.least, self.most) = (value, value),
            (Compare::Eq, false) => self.others.push(value),
            (Compare::Gt, true) => self.least = value + 1,
            (Compare::Gt, false) => self.most = value,
            (Compare::Ge, true) => self.least = value,
            (Compare::Ge, false) => self.most = value - 1,
        }
        let Self { least, most, .. } = self;
        self.others.retain(|other| (least..=most).contains(other));
        self.others.sort_unstable();
        self
    }
}
