//! Where two filters answer differently, exactly: both are walked through at once, with everything unknown about the call
//! but its architecture, and each comparison that could have either outcome is followed both ways.

use crate::action::Action;
use crate::answer::Data;
use crate::arch::{Arch, X32_BIT};
use crate::program::{
    AND, EQUAL, GREATER, GREATER_EQUAL, Instruction, JUMP, LOAD, Program, RETURN, SET,
};
pub use crate::word::TooComplex;
use crate::word::{Effort, WordFacts};

/// Calls of one architecture to which two filters answer differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The lowest and the highest number.
    pub numbers: (u32, u32),
    /// Comparisons of arguments that hold, all of them.
    pub conditions: Vec<String>,
    /// What the first and the second filter answer.
    pub actions: [Action; 2],
    /// Such a call.
    pub example: Data,
}

/// More ways through both programs than this are not followed.
const WAYS: usize = 200_000;

/// Where in `struct seccomp_data` the arguments begin, in bytes.
const ARGUMENTS: u32 = 16;

/// Calls of programs of an architecture to which two filters answer differently. Those that a tracer has left out count
/// as x86-64's.
///
/// # Errors
/// There are too many ways through the programs, or they aren't of a form that the kernel takes for a filter.
pub fn differences(
    one: &Program,
    other: &Program,
    arch: Arch,
) -> Result<Vec<Difference>, TooComplex> {
    let parts = match arch {
        Arch::X86_64 => vec![(0, X32_BIT - 1), (u32::MAX, u32::MAX)],
        Arch::X32 => vec![(X32_BIT, u32::MAX - 1)],
        _ => vec![(0, u32::MAX)],
    };
    let (programs, effort) = ([one, other], Effort::ALL);
    let mut walk = Walk { programs, arch, effort, waiting: Vec::new(), found: Vec::new() };
    for (least, most) in parts {
        let number = (0, WordFacts::between(least, most));
        walk.waiting.push(Way::begin(None, Facts { words: vec![number], arch }));
    }
    for _ in 0..WAYS {
        let Some(way) = walk.waiting.pop() else {
            // Of a comparison with a number, which goes up, the way of higher ones was followed first.
            walk.found.reverse();
            return Ok(walk.found);
        };
        walk.follow(way)?;
    }
    Err(TooComplex)
}

struct Walk<'a> {
    programs: [&'a Program; 2],
    arch: Arch,
    effort: Effort,
    waiting: Vec<Way>,
    found: Vec<Difference>,
}

/// How far a way through the programs has been followed.
struct Way {
    /// The first program's answer, once it is known: then the place is one in the second program.
    first: Option<Action>,
    at: usize,
    accumulator: Accumulator,
    facts: Facts,
}

/// What the accumulator has.
#[derive(Clone, Copy)]
enum Accumulator {
    Constant(u32),
    /// The word at this offset, of which these bits are left.
    Word(u32, u32),
}

impl Way {
    /// At the beginning of a program.
    fn begin(first: Option<Action>, facts: Facts) -> Self {
        Self { first, at: 0, accumulator: Accumulator::Constant(0), facts }
    }
}

impl Walk<'_> {
    /// To the program's end. Other ways, which begin on this one, wait.
    fn follow(&mut self, mut way: Way) -> Result<(), TooComplex> {
        let program = self.programs[usize::from(way.first.is_some())];
        loop {
            let one = program.instructions().get(way.at).ok_or(TooComplex)?;
            let Instruction { code, k, .. } = *one;
            way.at += 1;
            match (code, way.accumulator) {
                (LOAD, _) => way.accumulator = way.facts.load(k)?,
                (AND, Accumulator::Constant(value)) => {
                    way.accumulator = Accumulator::Constant(value & k);
                }
                (AND, Accumulator::Word(offset, mask)) => {
                    way.accumulator = Accumulator::Word(offset, mask & k);
                }
                (JUMP, _) => way.at += k as usize,
                (RETURN, _) => return self.end(way, Action::of(k)),
                (EQUAL | GREATER | GREATER_EQUAL | SET, Accumulator::Constant(value)) => {
                    way.at += skip(*one, compare(code, value, k));
                }
                (EQUAL | GREATER | GREATER_EQUAL | SET, Accumulator::Word(offset, mask)) => {
                    self.branch(&mut way, *one, offset, mask)?;
                }
                _ => return Err(TooComplex),
            }
        }
    }

    /// One of the outcomes that a comparison can have; the other one waits.
    fn branch(
        &mut self,
        way: &mut Way,
        one: Instruction,
        offset: u32,
        mask: u32,
    ) -> Result<(), TooComplex> {
        let mut outcomes = way.facts.outcomes(offset, mask, one, &mut self.effort)?;
        let (last, facts) = outcomes.pop().ok_or(TooComplex)?;
        let Way { first, at, accumulator, .. } = *way;
        way.at += skip(one, last);
        // What is known doesn't grow where there is but one outcome.
        if !outcomes.is_empty() {
            way.facts = facts;
        }
        for (outcome, facts) in outcomes {
            self.waiting.push(Way { first, at: at + skip(one, outcome), accumulator, facts });
        }
        Ok(())
    }

    fn end(&mut self, way: Way, action: Action) -> Result<(), TooComplex> {
        let facts = way.facts;
        let Some(first) = way.first else {
            self.waiting.push(Way::begin(Some(action), facts));
            return Ok(());
        };
        if first != action {
            let numbers = facts.words.first().map(|(_, facts)| (facts.least, facts.most));
            self.found.push(Difference {
                numbers: numbers.ok_or(TooComplex)?,
                conditions: facts.for_people(),
                actions: [first, action],
                example: facts.example(self.arch, &mut self.effort)?,
            });
        }
        Ok(())
    }
}

fn skip(one: Instruction, outcome: bool) -> usize {
    usize::from(if outcome { one.jt } else { one.jf })
}

fn compare(code: u16, found: u32, value: u32) -> bool {
    match code {
        EQUAL => found == value,
        GREATER => found > value,
        GREATER_EQUAL => found >= value,
        _ => found & value != 0,
    }
}

/// What is known of a call: of words by their offsets, the number first.
#[derive(Clone)]
struct Facts {
    words: Vec<(u32, WordFacts)>,
    arch: Arch,
}

impl Facts {
    fn load(&self, offset: u32) -> Result<Accumulator, TooComplex> {
        if !offset.is_multiple_of(4) || offset >= 64 {
            return Err(TooComplex);
        }
        let is_zero = offset >= ARGUMENTS && !self.arch.is_wide() && self.is_upper(offset);
        Ok(match offset {
            4 => Accumulator::Constant(self.arch.audit()),
            _ if is_zero => Accumulator::Constant(0),
            _ => Accumulator::Word(offset, u32::MAX),
        })
    }

    /// Whether the word is the upper half of an argument.
    fn is_upper(&self, offset: u32) -> bool {
        offset.is_multiple_of(8) != self.arch.is_little_endian()
    }

    /// The outcomes that a comparison can have, and what is known then. Numbers of calls are kept as ranges, so that those
    /// beside one are two.
    fn outcomes(
        &self,
        offset: u32,
        mask: u32,
        one: Instruction,
        effort: &mut Effort,
    ) -> Result<Vec<(bool, Self)>, TooComplex> {
        let mut with = |facts: &Self, code, outcome| {
            facts.with(offset, mask, Instruction { code, ..one }, outcome, effort)
        };
        let mut outcomes = Vec::new();
        if offset == 0 && one.code == EQUAL && mask == u32::MAX {
            for code in [GREATER, GREATER_EQUAL] {
                outcomes.push((false, with(self, code, code == GREATER)?));
            }
            let above = with(self, GREATER_EQUAL, true)?;
            let equal = above.map(|facts| with(&facts, GREATER, false)).transpose()?;
            outcomes.push((true, equal.flatten()));
        } else {
            for outcome in [false, true] {
                outcomes.push((outcome, with(self, one.code, outcome)?));
            }
        }
        let possible = |(outcome, facts): (bool, Option<Self>)| Some((outcome, facts?));
        Ok(outcomes.into_iter().filter_map(possible).collect())
    }

    fn with(
        &self,
        offset: u32,
        mask: u32,
        one: Instruction,
        outcome: bool,
        effort: &mut Effort,
    ) -> Result<Option<Self>, TooComplex> {
        let place = self.words.iter().position(|(other, _)| *other == offset);
        let new = match place {
            Some(place) => self.words[place].1.with(one.code, mask, one.k, outcome, effort)?,
            None => WordFacts::NONE.with(one.code, mask, one.k, outcome, effort)?,
        };
        let Some(new) = new else { return Ok(None) };
        let mut facts = self.clone();
        match place {
            Some(place) => facts.words[place].1 = new,
            None => facts.words.push((offset, new)),
        }
        Ok(Some(facts))
    }

    fn example(&self, arch: Arch, effort: &mut Effort) -> Result<Data, TooComplex> {
        let mut data = Data { arch, number: 0, args: [0; 6] };
        for (offset, facts) in &self.words {
            let value = facts.example(effort)?.ok_or(TooComplex)?;
            let Some(place) = offset.checked_sub(ARGUMENTS) else {
                // What is neither the number nor an argument is where the program is.
                if *offset == 0 {
                    data.number = value;
                }
                continue;
            };
            let shift = if self.is_upper(*offset) { 32 } else { 0 };
            data.args[place as usize / 8] |= u64::from(value) << shift;
        }
        Ok(data)
    }

    /// The comparisons of arguments that hold.
    fn for_people(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for index in 0..6 {
            let offset = ARGUMENTS + 8 * index;
            let of = |is_upper: bool| {
                let offset = if self.is_upper(offset) == is_upper { offset } else { offset + 4 };
                self.words.iter().find(|(other, _)| *other == offset).map(|(_, facts)| facts)
            };
            let high = of(true).map(conditions).unwrap_or_default();
            let low = of(false).map(conditions).unwrap_or_default();
            let is_zero = high == ["== 0"];
            let is_whole = is_zero || !self.arch.is_wide();
            for condition in high.iter().filter(|_| !is_zero || low.is_empty()) {
                lines.push(format!("arg{index} >> 32 {condition}"));
            }
            for condition in low {
                let is_mask = condition.starts_with('&');
                let half = if is_whole || is_mask { "" } else { " & 0xffffffff" };
                lines.push(format!("arg{index}{half} {condition}"));
            }
        }
        lines
    }
}

/// What is known of a word, each as the rest of a comparison.
fn conditions(facts: &WordFacts) -> Vec<String> {
    if facts.known == u32::MAX || facts.least == facts.most {
        let value = if facts.known == u32::MAX { facts.bits } else { facts.least };
        return vec![format!("== {}", number(value))];
    }
    let mut lines = Vec::new();
    if facts.least > 0 {
        lines.push(format!(">= {}", number(facts.least)));
    }
    if facts.most < u32::MAX {
        lines.push(format!("<= {}", number(facts.most)));
    }
    if facts.known != 0 {
        lines.push(format!("& {:#x} == {}", facts.known, number(facts.bits)));
    }
    for &(mask, value) in &facts.unlike {
        let is_said = (value ^ facts.bits) & facts.known & mask != 0
            || mask == u32::MAX && !(facts.least..=facts.most).contains(&value);
        match mask {
            _ if is_said => {}
            u32::MAX => lines.push(format!("!= {}", number(value))),
            _ => lines.push(format!("& {mask:#x} != {}", number(value))),
        }
    }
    lines
}

fn number(value: u32) -> String {
    if value < 1000 { value.to_string() } else { format!("{value:#x}") }
}
