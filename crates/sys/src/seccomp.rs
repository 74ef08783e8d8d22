//! seccomp(2).

use core::mem::size_of;

use rustix::fd::RawFd;
use rustix::io::{Errno, Result};

use crate::arch::syscall;

/// `SECCOMP_SET_MODE_FILTER` (include/uapi/linux/seccomp.h).
const SET_MODE_FILTER: usize = 1;

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER` (include/uapi/linux/seccomp.h, Linux 5.0).
pub const FILTER_FLAG_NEW_LISTENER: u32 = 1 << 3;

/// `struct sock_filter` (include/uapi/linux/filter.h), in bytes.
const INSTRUCTION: usize = 8;

/// `struct sock_fprog` (include/uapi/linux/filter.h).
#[repr(C)]
struct Program {
    len: u16,
    filter: *const u8,
}

/// Filters the system calls of the calling thread and of what it becomes, seccomp(2): `program` consists of
/// `struct sock_filter` in the machine's order of bytes, `flags` of `SECCOMP_FILTER_FLAG_*`.
///
/// # Errors
/// `EINVAL` for a program that is empty, longer than 4096 instructions or not one that the kernel takes, and for flags
/// that it doesn't know; `EACCES` without no_new_privs and without `CAP_SYS_ADMIN`.
pub fn seccomp_set_mode_filter(flags: u32, program: &[u8]) -> Result<()> {
    load(flags, program).map(drop)
}

/// The same with [`FILTER_FLAG_NEW_LISTENER`]. Returns the descriptor on which calls are told that the filter leaves to
/// another process, seccomp_unotify(2); an exec closes it. It is a number, for whoever runs under the filter may not be
/// able to close it.
///
/// # Errors
/// Those of [`seccomp_set_mode_filter`]; `EBUSY` if a filter of this thread has a listener.
pub fn seccomp_new_listener(flags: u32, program: &[u8]) -> Result<RawFd> {
    load(flags | FILTER_FLAG_NEW_LISTENER, program).map(|fd| fd as RawFd)
}

/// Whether the kernel knows these flags: only then does it look at the program, which isn't there.
pub fn seccomp_knows(flags: u32) -> bool {
    // SAFETY: the kernel can't read a program at this address, and changes nothing.
    let outcome =
        unsafe { syscall(libc::SYS_seccomp, [SET_MODE_FILTER, flags as usize, 0, 0, 0, 0]) };
    outcome == Err(Errno::FAULT)
}

fn load(flags: u32, program: &[u8]) -> Result<usize> {
    let (count, rest) = (program.len() / INSTRUCTION, program.len() % INSTRUCTION);
    let len = u16::try_from(count).ok().filter(|_| rest == 0).ok_or(Errno::INVAL)?;
    let program = Program { len, filter: program.as_ptr() };
    const { assert!(size_of::<Program>() == 2 * size_of::<usize>()) };
    let args = [SET_MODE_FILTER, flags as usize, &raw const program as usize, 0, 0, 0];
    // SAFETY: the kernel only reads the program, whose length it is told and which lives through the call.
    unsafe { syscall(libc::SYS_seccomp, args) }
}
