//! What a filter answers to a call.

use crate::action::Action;
use crate::arch::Arch;
use crate::program::{
    AND, EQUAL, GREATER, GREATER_EQUAL, Instruction, JUMP, LOAD, Program, RETURN, SET,
};

/// A call as a filter sees it, `struct seccomp_data` (seccomp(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data {
    /// The architecture of the program that makes it.
    pub arch: Arch,
    /// Its number.
    pub number: u32,
    /// Its arguments.
    pub args: [u64; 6],
}

impl Program {
    /// The answer; none if the program isn't one that the kernel takes, for it jumps or loads beyond the end, or has
    /// instructions that filters can do without.
    pub fn answer(&self, data: &Data) -> Option<Action> {
        self.walk(data).map(|(action, _)| action)
    }

    /// How many instructions the answer takes, from the first to the return.
    pub fn steps(&self, data: &Data) -> Option<usize> {
        self.walk(data).map(|(_, steps)| steps)
    }

    fn walk(&self, data: &Data) -> Option<(Action, usize)> {
        let memory = data.memory();
        let mut accumulator = 0;
        let mut rest = self.instructions();
        for steps in 1.. {
            let (one, after) = rest.split_first()?;
            let Instruction { code, jt, jf, k } = *one;
            let skip = |is_so: bool| usize::from(if is_so { jt } else { jf });
            let passed = match code {
                LOAD => {
                    accumulator = data.word(memory.get(k as usize..)?.first_chunk()?);
                    0
                }
                AND => {
                    accumulator &= k;
                    0
                }
                JUMP => k as usize,
                EQUAL => skip(accumulator == k),
                GREATER => skip(accumulator > k),
                GREATER_EQUAL => skip(accumulator >= k),
                SET => skip(accumulator & k != 0),
                RETURN => return Some((Action::of(k), steps)),
                _ => return None,
            };
            rest = after.get(passed..)?;
        }
        None
    }
}

impl Data {
    /// In the architecture's order of bytes.
    fn memory(&self) -> [u8; 64] {
        let little = self.arch.is_little_endian();
        let word = |value: u32| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let long = |value: u64| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let mut memory = [0; 64];
        memory[..4].copy_from_slice(&word(self.number));
        memory[4..8].copy_from_slice(&word(self.arch.audit()));
        for (place, value) in memory[16..].chunks_mut(8).zip(self.args) {
            place.copy_from_slice(&long(value));
        }
        memory
    }

    fn word(&self, bytes: &[u8; 4]) -> u32 {
        match self.arch.is_little_endian() {
            true => u32::from_le_bytes(*bytes),
            false => u32::from_be_bytes(*bytes),
        }
    }
}
