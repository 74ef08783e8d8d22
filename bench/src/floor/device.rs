//! The device program of the default container: deny all but the devices every container has.
//! Like the rules of cgroup v1's `devices.allow`; see the kernel's `BPF_PROG_TYPE_CGROUP_DEVICE`.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::{At, Failure, call};

const BPF_PROG_LOAD: u32 = 5;
const BPF_PROG_ATTACH: u32 = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u64 = 15;
const BPF_CGROUP_DEVICE: u64 = 6;
const BPF_F_ALLOW_MULTI: u64 = 2;

/// Character devices that may be read, written and made: null, zero, full, random, urandom, tty, ptmx, tun.
const ALLOWED: [(i32, i32); 8] =
    [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (10, 200)];
/// The major number of pseudo terminals.
const PTS: i32 = 136;

/// Loads the program and attaches it to the cgroup.
pub(crate) fn attach(cgroup: BorrowedFd<'_>) -> Result<(), Failure> {
    let program = program();
    let licence = c"Apache-2.0";
    let (text, length) = (program.as_ptr() as u64, program.len() as u64);
    let load = [BPF_PROG_TYPE_CGROUP_DEVICE | length << 32, text, licence.as_ptr() as u64];
    let loaded = call::bpf(BPF_PROG_LOAD, &load).at("bpf load")?;
    // SAFETY: the descriptor was just made and nobody else owns it.
    let loaded = unsafe { OwnedFd::from_raw_fd(loaded as i32) };
    let attach = [
        cgroup.as_raw_fd() as u64 | (loaded.as_raw_fd() as u64) << 32,
        BPF_CGROUP_DEVICE | BPF_F_ALLOW_MULTI << 32,
    ];
    call::bpf(BPF_PROG_ATTACH, &attach).at("bpf attach")?;
    Ok(())
}

/// One instruction: operation, registers (source in the high half), jump offset, constant.
const fn instruction(code: u8, registers: u8, offset: i16, constant: i32) -> u64 {
    code as u64
        | (registers as u64) << 8
        | (offset as u16 as u64) << 16
        | (constant as u32 as u64) << 32
}

/// The program: r1 points to `struct bpf_cgroup_dev_ctx` (access << 16 | type, major, minor).
fn program() -> Vec<u64> {
    const LOAD_WORD: u8 = 0x61;
    const MOVE: u8 = 0xbf;
    const MOVE_CONSTANT: u8 = 0xb7;
    const SHIFT_RIGHT: u8 = 0x77;
    const AND: u8 = 0x57;
    const JUMP_IF_EQUAL: u8 = 0x15;
    const JUMP_IF_NOT: u8 = 0x55;
    const EXIT: u8 = 0x95;
    const ACCESS_MKNOD: i32 = 1;
    const TYPE_CHARACTER: i32 = 2;

    let rules = 2 * ALLOWED.len() as i16 + 1;
    let mut text = vec![
        instruction(LOAD_WORD, 0x12, 0, 0),
        instruction(MOVE, 0x23, 0, 0),
        instruction(SHIFT_RIGHT, 0x03, 0, 16),
        instruction(AND, 0x02, 0, 0xffff),
        instruction(LOAD_WORD, 0x14, 4, 0),
        instruction(LOAD_WORD, 0x15, 8, 0),
        // Making any device is allowed, opening it isn't.
        instruction(JUMP_IF_EQUAL, 0x03, rules + 3, ACCESS_MKNOD),
        instruction(JUMP_IF_NOT, 0x02, rules, TYPE_CHARACTER),
    ];
    for (nth, (major, minor)) in ALLOWED.into_iter().enumerate() {
        let allow = rules - 2 * nth as i16;
        text.push(instruction(JUMP_IF_NOT, 0x04, 1, major));
        text.push(instruction(JUMP_IF_EQUAL, 0x05, allow, minor));
    }
    text.extend([
        instruction(JUMP_IF_EQUAL, 0x04, 2, PTS),
        instruction(MOVE_CONSTANT, 0x00, 0, 0),
        instruction(EXIT, 0x00, 0, 0),
        instruction(MOVE_CONSTANT, 0x00, 0, 1),
        instruction(EXIT, 0x00, 0, 0),
    ]);
    text
}
