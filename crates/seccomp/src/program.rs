//! Classic BPF, put together from its end: every jump goes forward, to what is there already.

use std::fmt;

use crate::action::Action;
use crate::decision::Compare;
use crate::error::Error;

/// One instruction, as `struct sock_filter` (include/uapi/linux/filter.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What to do, `BPF_*`.
    pub code: u16,
    /// How many instructions to pass over if a comparison holds.
    pub jt: u8,
    /// How many if it doesn't.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

impl Instruction {
    /// As the kernel reads it.
    pub fn to_bytes(self) -> [u8; 8] {
        let [a, b] = self.code.to_ne_bytes();
        let [e, f, g, h] = self.k.to_ne_bytes();
        [a, b, self.jt, self.jf, e, f, g, h]
    }
}

impl Instruction {
    /// What [`Instruction::to_bytes`] makes of it.
    pub fn from_bytes([a, b, jt, jf, e, f, g, h]: [u8; 8]) -> Self {
        let code = u16::from_ne_bytes([a, b]);
        Self { code, jt, jf, k: u32::from_ne_bytes([e, f, g, h]) }
    }
}

/// A filter for seccomp(2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(Vec<Instruction>);

/// The kernel's limit, `BPF_MAXINSNS` (include/uapi/linux/bpf_common.h).
pub const MAX_INSTRUCTIONS: usize = 4096;

/// A word of `struct seccomp_data` to the accumulator: `BPF_LD | BPF_W | BPF_ABS`.
pub(crate) const LOAD: u16 = 0x20;
/// `BPF_ALU | BPF_AND | BPF_K`
pub(crate) const AND: u16 = 0x54;
/// `BPF_JMP | BPF_JA`
pub(crate) const JUMP: u16 = 0x05;
/// `BPF_JMP | BPF_JEQ | BPF_K`
pub(crate) const EQUAL: u16 = 0x15;
/// `BPF_JMP | BPF_JGT | BPF_K`
pub(crate) const GREATER: u16 = 0x25;
/// `BPF_JMP | BPF_JGE | BPF_K`
pub(crate) const GREATER_EQUAL: u16 = 0x35;
/// `BPF_JMP | BPF_JSET | BPF_K`
pub(crate) const SET: u16 = 0x45;
/// `BPF_RET | BPF_K`
pub(crate) const RETURN: u16 = 0x06;

impl Program {
    /// A filter from elsewhere.
    pub fn new(instructions: Vec<Instruction>) -> Self {
        Self(instructions)
    }

    /// The same with other answers.
    #[must_use]
    pub fn mapped(&self, map: impl Fn(Action) -> Action) -> Self {
        let other = |one: &Instruction| match one.code {
            RETURN => Instruction { k: map(Action::of(one.k)).value(), ..*one },
            _ => *one,
        };
        Self(self.0.iter().map(other).collect())
    }

    /// The answers that it can give.
    pub fn answers(&self) -> impl Iterator<Item = Action> {
        self.0.iter().filter(|one| one.code == RETURN).map(|one| Action::of(one.k))
    }

    /// Whether it can give this answer.
    pub fn returns(&self, action: Action) -> bool {
        self.answers().any(|answer| answer == action)
    }

    /// The instructions, the first one first.
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, instruction) in self.0.iter().enumerate() {
            let Instruction { code, jt, jf, k } = *instruction;
            let to = |skip: u32| at as u32 + 1 + skip;
            write!(f, "{at:4}: ")?;
            match code {
                LOAD => writeln!(f, "load [{k}]")?,
                AND => writeln!(f, "and {k:#x}")?,
                JUMP => writeln!(f, "jump {}", to(k))?,
                RETURN => writeln!(f, "return {k:#010x}")?,
                _ => {
                    let sign = match code {
                        EQUAL => "==",
                        GREATER => ">",
                        _ => ">=",
                    };
                    writeln!(f, "if {sign} {k:#x} jump {} else {}", to(jt.into()), to(jf.into()))?;
                }
            }
        }
        Ok(())
    }
}

/// How many instructions there are from here to the program's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label(usize);

/// A program whose beginning is missing.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    /// The last one first.
    code: Vec<Instruction>,
    /// Where the nearest return of each action is.
    returns: Vec<(Action, Label)>,
}

/// The longest jump of a comparison.
const REACH: usize = u8::MAX as usize;

impl Assembler {
    /// An end of the filter, which a comparison that is put before it next can reach.
    pub(crate) fn end(&mut self, action: Action) -> Label {
        let near = self.code.len().saturating_sub(REACH - 2);
        let found = self.returns.iter().find(|(other, label)| *other == action && label.0 > near);
        if let Some((_, label)) = found {
            return *label;
        }
        let label = self.push(RETURN, 0, 0, action.value());
        self.returns.retain(|(other, _)| *other != action);
        self.returns.push((action, label));
        label
    }

    /// What leads to one of two places.
    pub(crate) fn branch(&mut self, compare: Compare, value: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        let no = self.near(no, REACH - 1);
        let yes = self.near(yes, REACH);
        let code = match compare {
            Compare::Eq => EQUAL,
            Compare::Ge => GREATER_EQUAL,
        };
        let skip = |label: Label| (self.code.len() - label.0) as u8; // `near` has seen to it
        self.push(code, skip(yes), skip(no), value)
    }

    /// What is done before what stands at a place.
    pub(crate) fn before(&mut self, code: u16, k: u32, next: Label) -> Label {
        self.near(next, 0);
        self.push(code, 0, 0, k)
    }

    /// A place as near as this, which leads there.
    fn near(&mut self, label: Label, reach: usize) -> Label {
        let distance = self.code.len() - label.0;
        if distance <= reach {
            return label;
        }
        match self.code[label.0 - 1] {
            Instruction { code: RETURN, k, .. } => self.push(RETURN, 0, 0, k),
            _ => self.push(JUMP, 0, 0, distance as u32),
        }
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.code.push(Instruction { code, jt, jf, k });
        Label(self.code.len())
    }

    /// # Errors
    /// The kernel wouldn't take as many.
    pub(crate) fn finish(mut self) -> Result<Program, Error> {
        let count = self.code.len();
        if count > MAX_INSTRUCTIONS {
            let reason = format!(
                "the filter has {count} instructions, and the kernel takes {MAX_INSTRUCTIONS} at most"
            );
            return Err(Error::at("", reason));
        }
        self.code.reverse();
        Ok(Program(self.code))
    }
}
