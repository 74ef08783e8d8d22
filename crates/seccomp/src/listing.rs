//! A program in readable form.

use std::fmt;

use crate::action::Action;
use crate::arch::Arch;
use crate::program::{
    AND, EQUAL, GREATER, GREATER_EQUAL, Instruction, JUMP, LOAD, Program, RETURN, SET,
};

/// A program, written with a comment for each number that has a meaning.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a>(pub &'a Program);

/// What is known where an instruction stands, whatever way led there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    /// Which word of `struct seccomp_data` (seccomp(2)) is in the accumulator, by its offset in bytes.
    word: Option<u32>,
    /// Which architecture the call is of, `AUDIT_ARCH_*`.
    audit: Option<u32>,
}

const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;
const END: u32 = 64;

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = known(self.0.instructions());
        for (at, one) in self.0.instructions().iter().enumerate() {
            let text = instruction(at, *one);
            match comment(*one, known[at].unwrap_or_default()) {
                Some(comment) => writeln!(f, "{at:4}: {text:<44} # {comment}")?,
                None => writeln!(f, "{at:4}: {text}")?,
            }
        }
        Ok(())
    }
}

/// All jumps go forward, so that what leads to an instruction stands before it. None where nothing leads.
fn known(instructions: &[Instruction]) -> Vec<Option<Known>> {
    let mut known = vec![None; instructions.len()];
    if let Some(first) = known.first_mut() {
        *first = Some(Known::default());
    }
    for (at, one) in instructions.iter().enumerate() {
        let Some(here) = known[at] else { continue };
        for (next, then) in after(at, *one, here) {
            let Some(place) = known.get_mut(next) else { continue };
            *place = Some(place.map_or(then, |other: Known| other.and(then)));
        }
    }
    known
}

/// Where an instruction leads to and what is known there.
fn after(at: usize, one: Instruction, here: Known) -> Vec<(usize, Known)> {
    let Instruction { code, jt, jf, k } = one;
    let to = |skip: u32| (at + 1).saturating_add(skip as usize);
    match code {
        RETURN | RETURN_ACCUMULATOR => Vec::new(),
        JUMP => vec![(to(k), here)],
        EQUAL => {
            let audit = if here.word == Some(ARCH) { Some(k) } else { here.audit };
            vec![(to(jt.into()), Known { audit, ..here }), (to(jf.into()), here)]
        }
        GREATER | GREATER_EQUAL | SET => vec![(to(jt.into()), here), (to(jf.into()), here)],
        LOAD => vec![(to(0), Known { word: Some(k), ..here })],
        AND => vec![(to(0), here)],
        _ => vec![(to(0), Known { word: None, ..here })],
    }
}

impl Known {
    fn and(self, other: Self) -> Self {
        Self {
            word: self.word.filter(|_| self.word == other.word),
            audit: self.audit.filter(|_| self.audit == other.audit),
        }
    }
}

/// `BPF_RET | BPF_A`
const RETURN_ACCUMULATOR: u16 = 0x16;

fn instruction(at: usize, one: Instruction) -> String {
    let Instruction { code, jt, jf, k } = one;
    let to = |skip: u32| at as u64 + 1 + u64::from(skip);
    let compare =
        |sign: &str| format!("if {sign} {k:#x} jump {} else {}", to(jt.into()), to(jf.into()));
    match code {
        LOAD => format!("load [{k}]"),
        AND => format!("and {k:#x}"),
        JUMP => format!("jump {}", to(k)),
        RETURN => format!("return {k:#010x}"),
        RETURN_ACCUMULATOR => "return the accumulator".to_owned(),
        EQUAL => compare("=="),
        GREATER => compare(">"),
        GREATER_EQUAL => compare(">="),
        SET => compare("&"),
        // What coble's compiler has no use for: as it stands.
        _ => format!("code {code:#06x} jt {jt} jf {jf} k {k:#x}"),
    }
}

fn comment(one: Instruction, known: Known) -> Option<String> {
    match one.code {
        LOAD => Some(word(one.k)?),
        RETURN => Some(Action::of(one.k).to_string()),
        EQUAL | GREATER | GREATER_EQUAL => match known.word? {
            ARCH => {
                let mut names = Arch::all().filter(|arch| arch.audit() == one.k);
                Some(names.next()?.name())
            }
            NUMBER => {
                let mut archs = Arch::all().filter(|arch| Some(arch.audit()) == known.audit);
                let number = one.k;
                let own = |arch: Arch| arch.of_call(number).filter(|of| *of == arch);
                let arch = archs.find_map(own)?;
                match arch.call(number) {
                    Some(name) => Some(name.to_owned()),
                    None if number == Arch::X32.base() => Some(Arch::X32.name()),
                    None => None,
                }
            }
            _ => None,
        },
        _ => None,
    }
}

/// What stands at an offset. Which half of an argument it is depends on the architecture's order of bytes.
fn word(offset: u32) -> Option<String> {
    let half = |offset: u32| if offset.is_multiple_of(8) { "first" } else { "second" };
    match offset {
        NUMBER => Some("number of the call".to_owned()),
        ARCH => Some("architecture".to_owned()),
        8 | 12 => Some(format!("instruction pointer, {} half", half(offset))),
        ARGUMENTS..END => Some(format!("arg{}, {} half", (offset - ARGUMENTS) / 8, half(offset))),
        _ => None,
    }
}
