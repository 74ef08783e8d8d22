//! Runs a filter as the kernel does, and checks what the kernel checks (`seccomp_check_filter`).

use super::Data;
use crate::Program;
use crate::program::{AND, EQUAL, GREATER, GREATER_EQUAL, JUMP, LOAD, RETURN};

pub(super) fn run(program: &Program, data: &Data) -> u32 {
    let memory = memory(data);
    let mut accumulator = 0u32;
    let mut at = 0;
    loop {
        let one = program.instructions()[at];
        let skip = |is_so: bool| usize::from(if is_so { one.jt } else { one.jf });
        at += 1;
        match one.code {
            LOAD => {
                let at = one.k as usize;
                assert_eq!(at % 4, 0, "loads are aligned");
                let bytes = memory[at..at + 4].try_into().expect("four bytes");
                accumulator = match data.arch.is_little_endian() {
                    true => u32::from_le_bytes(bytes),
                    false => u32::from_be_bytes(bytes),
                };
            }
            AND => accumulator &= one.k,
            JUMP => at += one.k as usize,
            EQUAL => at += skip(accumulator == one.k),
            GREATER => at += skip(accumulator > one.k),
            GREATER_EQUAL => at += skip(accumulator >= one.k),
            RETURN => return one.k,
            other => panic!("no instruction {other:#x}"),
        }
    }
}

/// `struct seccomp_data` (seccomp(2)) in the architecture's order of bytes.
fn memory(data: &Data) -> [u8; 64] {
    let mut memory = [0; 64];
    let little = data.arch.is_little_endian();
    let word = |value: u32| if little { value.to_le_bytes() } else { value.to_be_bytes() };
    let long = |value: u64| if little { value.to_le_bytes() } else { value.to_be_bytes() };
    memory[..4].copy_from_slice(&word(data.number));
    memory[4..8].copy_from_slice(&word(data.arch.audit()));
    for (place, value) in memory[16..].chunks_mut(8).zip(data.args) {
        place.copy_from_slice(&long(value));
    }
    memory
}
