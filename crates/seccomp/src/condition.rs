//! A condition on an argument.

use std::fmt;

use coble_spec::SyscallArg;

use crate::arch::Arch;
use crate::error::Error;

/// A comparison of one argument, unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Condition {
    /// Which argument.
    pub(crate) index: u8,
    pub(crate) op: Op,
    pub(crate) value: u64,
    /// Which bits count; all of them but for [`Op::MaskedEq`].
    pub(crate) mask: u64,
}

/// What a condition is about: those bits of an argument that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Argument {
    pub(crate) index: u8,
    pub(crate) mask: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Op {
    Ne,
    Lt,
    Le,
    Eq,
    Ge,
    Gt,
    MaskedEq,
}

const OPERATORS: [(&str, Op); 7] = [
    ("SCMP_CMP_EQ", Op::Eq),
    ("SCMP_CMP_GE", Op::Ge),
    ("SCMP_CMP_GT", Op::Gt),
    ("SCMP_CMP_LE", Op::Le),
    ("SCMP_CMP_LT", Op::Lt),
    ("SCMP_CMP_MASKED_EQ", Op::MaskedEq),
    ("SCMP_CMP_NE", Op::Ne),
];

/// The names that a configuration has for comparisons, in order.
pub fn operators() -> impl Iterator<Item = &'static str> {
    OPERATORS.iter().map(|(name, _)| *name)
}

/// How many arguments a system call has at most.
const ARGUMENTS: u32 = 6;

impl Condition {
    /// # Errors
    /// No such argument; an unknown operator.
    pub(crate) fn read(arg: &SyscallArg) -> Result<Self, Error> {
        let index = match u8::try_from(arg.index) {
            Ok(index) if arg.index < ARGUMENTS => index,
            _ => {
                let reason = format!("{} is no argument; they are 0 to 5", arg.index);
                return Err(Error::at("/index", reason));
            }
        };
        let op = OPERATORS.iter().find(|(name, _)| *name == arg.op).map(|(_, op)| *op);
        let unknown = || Error::about("/op", &arg.op, "is no operator");
        let op = op.ok_or_else(unknown)?;
        let (mask, value) = match op {
            Op::MaskedEq => (arg.value, arg.value_two & arg.value),
            _ => (u64::MAX, arg.value),
        };
        Ok(Self { index, op, value, mask })
    }

    /// That an argument has this value.
    pub(crate) fn equal(index: u8, value: u32) -> Self {
        Self { index, op: Op::Eq, value: value.into(), mask: u64::MAX }
    }

    /// What is compared on this architecture. Where arguments have 32 bits a negative number, which a configuration
    /// writes with 64 of them, is one of 32 bits.
    pub(crate) fn on(self, arch: Arch) -> Self {
        const SIGN: u64 = 0xffff_ffff_8000_0000;
        if arch.is_wide() {
            return self;
        }
        let is_negative = self.value & SIGN == SIGN;
        let value = if is_negative { u64::from(self.value as u32) } else { self.value };
        Self { value, mask: u64::from(self.mask as u32), ..self }
    }

    pub(crate) fn argument(self) -> Argument {
        Argument { index: self.index, mask: self.mask }
    }

    /// Where its answer may change: from these values on, and from zero on.
    pub(crate) fn edges(self) -> impl Iterator<Item = u64> {
        let (from, behind) = (Some(self.value), self.value.checked_add(1));
        let edges = match self.op {
            Op::Lt | Op::Ge => [from, None],
            Op::Le | Op::Gt => [behind, None],
            Op::Eq | Op::Ne | Op::MaskedEq => [from, behind],
        };
        edges.into_iter().flatten()
    }

    /// Whether it is met where the bits that count have this value.
    pub(crate) fn holds_for(self, value: u64) -> bool {
        match self.op {
            Op::Ne => value != self.value,
            Op::Lt => value < self.value,
            Op::Le => value <= self.value,
            Op::Eq | Op::MaskedEq => value == self.value,
            Op::Ge => value >= self.value,
            Op::Gt => value > self.value,
        }
    }

    /// Whether it is met by an argument of this architecture, of which a filter sees as many bits as it has. None if
    /// that depends on the argument, which isn't known.
    pub(crate) fn is_met(self, arch: Arch, argument: Option<u64>) -> Option<bool> {
        let most = if arch.is_wide() { u64::MAX } else { u64::from(u32::MAX) };
        let own = self.on(arch);
        match argument {
            Some(argument) => Some(own.holds_for(argument & most & own.mask)),
            None => always(own.op, own.value, own.mask & most, most),
        }
    }
}

/// What every argument up to a highest one answers.
fn always(op: Op, value: u64, mask: u64, most: u64) -> Option<bool> {
    let (holds, fails) = match op {
        Op::Ne => (value > most, false),
        Op::Lt => (value > most, value == 0),
        Op::Le => (value >= most, false),
        Op::Eq => (false, value > most),
        Op::Ge => (value == 0, value > most),
        Op::Gt => (false, value >= most),
        Op::MaskedEq => (mask == 0 && value == 0, value & !mask != 0),
    };
    if holds { Some(true) } else { fails.then_some(false) }
}

/// As a comparison in C: `arg0 & 0x7e020000 == 0`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, op, value, mask } = *self;
        let sign = match op {
            Op::Ne => "!=",
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Eq => "==",
            Op::Ge => ">=",
            Op::Gt => ">",
            Op::MaskedEq => return write!(f, "arg{index} & {mask:#x} == {value:#x}"),
        };
        match value {
            0..1000 => write!(f, "arg{index} {sign} {value}"),
            _ => write!(f, "arg{index} {sign} {value:#x}"),
        }
    }
}
