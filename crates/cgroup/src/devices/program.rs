//! A policy as a program for the kernel, `BPF_PROG_TYPE_CGROUP_DEVICE` (Linux 4.15; 32-bit jumps 5.1).
//!
//! The kernel runs it for every open and every mknod with `struct bpf_cgroup_dev_ctx`: three words with
//! kind and access, major and minor number. It answers 1 for yes. The rules stand in it from the last to
//! the first: one that allows takes its accesses off the list of those that are still to be judged, one
//! that denies any of them ends it.
//!
//! Every container waits for the kernel to verify the program, which takes time for each branch and for
//! each way to a place. So rules whose order doesn't matter share their conditions, and a way that has been
//! decided is left at once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

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

/// The most devices in one block, which has to be short enough to be jumped over.
const LONGEST: usize = 1000;

/// Major and minor number; every number if none.
type Device = (Option<u32>, Option<u32>);

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
    for agreeing in policy.rules.chunk_by(|a, b| a.allow == b.allow).rev() {
        program.extend(judge(agreeing));
    }
    if policy.default_allow {
        program.extend(answer(true));
    } else {
        program.extend(answer_if_nothing_is_left());
    }
    program
}

/// Rules that follow each other and all allow, or all deny: their order doesn't matter. Those about every
/// access come first, since they leave nothing to judge.
fn judge(agreeing: &[Rule]) -> Vec<Instruction> {
    let mut groups: BTreeMap<(Reverse<u8>, Option<Kind>), BTreeSet<Device>> = BTreeMap::new();
    for rule in agreeing {
        let group = groups.entry((Reverse(rule.access), rule.kind)).or_default();
        group.insert((rule.major, rule.minor));
    }
    let mut program = Vec::new();
    for ((Reverse(access), kind), devices) in groups {
        let decision = if agreeing[0].allow { allow(access) } else { deny(access) };
        for devices in uncovered(&devices).chunks(LONGEST) {
            program.extend(when(KIND, kind.map(kind_number), block(devices, &decision)));
        }
    }
    program
}

/// Without those that are in a larger one, in order.
fn uncovered(devices: &BTreeSet<Device>) -> Vec<Device> {
    let is_covered = |device: &Device| {
        let larger = [(None, None), (device.0, None), (None, device.1)];
        larger.iter().any(|larger| larger != device && devices.contains(larger))
    };
    devices.iter().filter(|device| !is_covered(device)).copied().collect()
}

/// One decision about devices, which are in order. Made from the end, for the length of what is to be
/// jumped over.
fn block(devices: &[Device], decision: &[Instruction]) -> Vec<Instruction> {
    let mut block = Vec::new();
    for of_major in devices.chunk_by(|a, b| a.0 == b.0).rev() {
        let (major, minor) = of_major[0];
        let mut body = Vec::new();
        for (_, minor) in of_major {
            body.extend(when(MINOR, *minor, decision.to_vec()));
        }
        // No other major number has to be looked for. A decision about the whole major number may be an
        // end, and the kernel refuses what can't be reached.
        if major.is_some() && minor.is_some() && !block.is_empty() {
            body.push(jump(block.len()));
        }
        block.splice(0..0, when(MAJOR, major, body));
    }
    block
}

/// Jumps over the block where the register has another value.
fn when(register: u8, value: Option<u32>, mut block: Vec<Instruction>) -> Vec<Instruction> {
    if let Some(value) = value {
        block.insert(0, jump_if_not(register, value, block.len()));
    }
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

/// Blocks have at most [`LONGEST`] devices of a few instructions each, so every distance fits.
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
