//! A policy as a program for the kernel, `BPF_PROG_TYPE_CGROUP_DEVICE` (Linux 4.15; 32-bit jumps 5.1).
//!
//! The kernel runs it for every open and every mknod with `struct bpf_cgroup_dev_ctx`: three words with
//! kind and access, major and minor number. It answers 1 for yes. The rules stand in it from the last to
//! the first: one that allows takes its accesses off the list of those that are still to be judged, one
//! that denies any of them ends it.

use coble_sys::bpf::Instruction;

use super::policy::Policy;
use super::rule::{ALL, Kind, Rule};

const R0: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
/// What is still to be judged.
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// The program.
pub(super) fn assemble(policy: &Policy) -> Vec<Instruction> {
    let mut program = vec![
        load(KIND, 0),
        move_register(ACCESS, KIND),
        and(KIND, 0xffff),
        shift_right(ACCESS, 16),
        load(MAJOR, 4),
        load(MINOR, 8),
    ];
    for rule in policy.rules.iter().rev() {
        program.extend(block(rule));
    }
    if policy.default_allow {
        program.extend(answer(true));
    } else {
        program.extend(answer_if_nothing_is_left());
    }
    program
}

/// Jumps over the rest of the block where the rule is not about the device.
fn block(rule: &Rule) -> Vec<Instruction> {
    let decision = if rule.allow { allow(rule.access) } else { deny(rule.access) };
    let kind = rule.kind.map(|kind| (KIND, kind_number(kind)));
    let major = rule.major.map(|major| (MAJOR, major));
    let minor = rule.minor.map(|minor| (MINOR, minor));
    let conditions: Vec<(u8, u32)> = [kind, major, minor].into_iter().flatten().collect();
    let mut block = Vec::with_capacity(conditions.len() + decision.len());
    for (index, (register, value)) in conditions.iter().enumerate() {
        let distance = conditions.len() - index - 1 + decision.len();
        block.push(jump_if_not(*register, *value, distance));
    }
    block.extend(decision);
    block
}

/// `BPF_DEVCG_DEV_*`.
fn kind_number(kind: Kind) -> u32 {
    match kind {
        Kind::Block => 1,
        Kind::Char => 2,
    }
}

fn allow(access: u8) -> Vec<Instruction> {
    let mut block = Vec::new();
    if access != ALL {
        let end = answer(true);
        block.push(and(ACCESS, !u32::from(access)));
        block.push(jump_if_not(ACCESS, 0, end.len()));
    }
    block.extend(answer(true));
    block
}

fn deny(access: u8) -> Vec<Instruction> {
    let end = answer(false);
    let mut block = vec![jump_if_any(ACCESS, access.into(), 1), jump(end.len())];
    block.extend(end);
    block
}

fn answer(yes: bool) -> [Instruction; 2] {
    [move_value(R0, yes.into()), exit()]
}

fn answer_if_nothing_is_left() -> [Instruction; 4] {
    let [yes, exit] = answer(true);
    [move_value(R0, 0), jump_if_not(ACCESS, 0, 1), yes, exit]
}

// The instruction set, RFC 9669. All arithmetic is on the lower 32 bits.

fn instruction(code: u8, to: u8, from: u8, offset: i16, value: u32) -> Instruction {
    Instruction { code, registers: from << 4 | to, offset, immediate: value as i32 }
}

fn load(register: u8, offset: i16) -> Instruction {
    instruction(0x61, register, CONTEXT, offset, 0)
}

fn move_register(to: u8, from: u8) -> Instruction {
    instruction(0xbc, to, from, 0, 0)
}

fn move_value(register: u8, value: u32) -> Instruction {
    instruction(0xb4, register, 0, 0, value)
}

fn and(register: u8, value: u32) -> Instruction {
    instruction(0x54, register, 0, 0, value)
}

fn shift_right(register: u8, value: u32) -> Instruction {
    instruction(0x74, register, 0, 0, value)
}

/// The blocks are a few instructions long, so every distance fits.
fn jump_if_not(register: u8, value: u32, distance: usize) -> Instruction {
    instruction(0x56, register, 0, distance as i16, value)
}

fn jump_if_any(register: u8, bits: u32, distance: usize) -> Instruction {
    instruction(0x46, register, 0, distance as i16, bits)
}

fn jump(distance: usize) -> Instruction {
    instruction(0x05, 0, 0, distance as i16, 0)
}

fn exit() -> Instruction {
    instruction(0x95, 0, 0, 0, 0)
}
