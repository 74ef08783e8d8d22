//! Calls on the process itself that rustix has not: close_range(2), personality(2), ioprio_set(2),
//! sched_setaffinity(2), sched_setattr(2), set_mempolicy(2), keyctl(2), getcwd(2), fork(2), exit_group(2).

use core::ffi::CStr;
use core::mem::size_of;

use rustix::io::{Errno, Result};

use crate::arch::{syscall, trap};

/// Marks every descriptor from `first` on close-on-exec (Linux 5.11).
///
/// # Errors
/// As close_range(2); `EINVAL` before Linux 5.11.
pub(crate) fn close_range_cloexec(first: u32) -> Result<()> {
    let args = [first as usize, u32::MAX as usize, libc::CLOSE_RANGE_CLOEXEC as usize, 0, 0, 0];
    // SAFETY: only the close-on-exec flags change.
    unsafe { syscall(libc::SYS_close_range, args) }.map(drop)
}

/// Closes the descriptors from `first` to `last` (Linux 5.9).
///
/// # Errors
/// As close_range(2).
pub(crate) fn close_range(first: u32, last: u32) -> Result<()> {
    // SAFETY: only a child that shares no descriptors with another process calls it, and uses none of these.
    unsafe { syscall(libc::SYS_close_range, [first as usize, last as usize, 0, 0, 0, 0]) }.map(drop)
}

/// Sets the execution domain, personality(2).
///
/// # Errors
/// As personality(2).
pub fn personality(persona: u32) -> Result<()> {
    // SAFETY: the call takes a number only and acts at the next exec.
    unsafe { syscall(libc::SYS_personality, [persona as usize, 0, 0, 0, 0, 0]) }.map(drop)
}

/// Bytes of a mask that has a bit for each CPU that Linux can be built for.
pub const CPU_MASK: usize = 8192 / 8;

/// Lets the calling thread run on the CPUs of `mask`, where CPU N is bit N % 8 of byte N / 8, sched_setaffinity(2).
/// The kernel passes over those that it has not, and those that the thread's cpuset has not.
///
/// # Errors
/// As sched_setaffinity(2); `EINVAL` if no CPU is left.
pub fn sched_setaffinity(mask: &[u8]) -> Result<()> {
    let args = [0, mask.len(), mask.as_ptr() as usize, 0, 0, 0];
    // SAFETY: the kernel only reads the mask, which lives through the call.
    unsafe { syscall(libc::SYS_sched_setaffinity, args) }.map(drop)
}

/// The CPUs on which the calling thread may run, as [`sched_setaffinity`] takes them.
///
/// # Errors
/// As sched_getaffinity(2).
pub fn sched_getaffinity() -> Result<[u8; CPU_MASK]> {
    let mut words = [0u64; CPU_MASK / 8];
    let args = [0, CPU_MASK, words.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: the kernel writes at most as many bytes as it is told.
    unsafe { syscall(libc::SYS_sched_getaffinity, args) }?;
    let mut mask = [0; CPU_MASK];
    for (bytes, word) in mask.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    Ok(mask)
}

/// Sets the NUMA memory policy of the calling thread, which its programs keep, set_mempolicy(2): `mode` is a mode
/// and its flags, node N is bit N % 8 of byte N / 8 of `nodes`, whose length is a multiple of 8.
///
/// # Errors
/// As set_mempolicy(2); `ENOSYS` from a kernel without NUMA.
pub fn set_mempolicy(mode: u32, nodes: &[u8]) -> Result<()> {
    debug_assert!(nodes.len().is_multiple_of(8), "the kernel reads words");
    // The kernel takes one bit less than it is told.
    let (pointer, bits) =
        if nodes.is_empty() { (0, 0) } else { (nodes.as_ptr() as usize, nodes.len() * 8 + 1) };
    // SAFETY: the kernel only reads the nodes, which live through the call.
    unsafe { syscall(libc::SYS_set_mempolicy, [mode as usize, pointer, bits, 0, 0, 0]) }.map(drop)
}

/// Sets the I/O priority of the calling thread; `priority` is class << 13 | level.
///
/// # Errors
/// As ioprio_set(2).
pub fn ioprio_set(priority: u32) -> Result<()> {
    const IOPRIO_WHO_PROCESS: usize = 1;
    let args = [IOPRIO_WHO_PROCESS, 0, priority as usize, 0, 0, 0];
    // SAFETY: the call takes numbers only.
    unsafe { syscall(libc::SYS_ioprio_set, args) }.map(drop)
}

/// `struct sched_attr`, first version (Linux 3.14).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedAttr {
    /// Bytes of this structure; filled in by [`sched_setattr`].
    pub size: u32,
    /// `SCHED_*`.
    pub sched_policy: u32,
    /// `SCHED_FLAG_*`.
    pub sched_flags: u64,
    /// nice(2) value.
    pub sched_nice: i32,
    /// Static priority.
    pub sched_priority: u32,
    /// Nanoseconds of run time in a period.
    pub sched_runtime: u64,
    /// Nanoseconds.
    pub sched_deadline: u64,
    /// Nanoseconds.
    pub sched_period: u64,
}

/// Sets the scheduling attributes of the calling thread.
///
/// # Errors
/// As sched_setattr(2).
pub fn sched_setattr(attr: &SchedAttr) -> Result<()> {
    let attr = SchedAttr { size: size_of::<SchedAttr>() as u32, ..*attr };
    // SAFETY: the structure lives through the call and says its own size.
    unsafe { syscall(libc::SYS_sched_setattr, [0, &raw const attr as usize, 0, 0, 0, 0]) }.map(drop)
}

/// Joins the session keyring of that name, or makes it, keyctl(2) `KEYCTL_JOIN_SESSION_KEYRING`.
/// Returns its serial number.
///
/// # Errors
/// As keyctl(2); `ENOSYS` where the kernel has no keyrings.
pub fn keyctl_join_session_keyring(name: &CStr) -> Result<i32> {
    const KEYCTL_JOIN_SESSION_KEYRING: usize = 1;
    let args = [KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: the name is a C string that the kernel only reads.
    unsafe { syscall(libc::SYS_keyctl, args) }.map(|serial| serial as i32)
}

/// Sets a key's permissions, keyctl(2) `KEYCTL_SETPERM`.
///
/// # Errors
/// As keyctl(2).
pub fn keyctl_setperm(serial: i32, permissions: u32) -> Result<()> {
    const KEYCTL_SETPERM: usize = 5;
    let args = [KEYCTL_SETPERM, serial as usize, permissions as usize, 0, 0, 0];
    // SAFETY: the call takes numbers only.
    unsafe { syscall(libc::SYS_keyctl, args) }.map(drop)
}

/// Reads a key's description (`type;uid;gid;perm;name`) into `buffer` and returns it, keyctl(2)
/// `KEYCTL_DESCRIBE`.
///
/// # Errors
/// As keyctl(2); `ENAMETOOLONG` if it does not fit.
pub fn keyctl_describe(serial: i32, buffer: &mut [u8]) -> Result<&[u8]> {
    const KEYCTL_DESCRIBE: usize = 6;
    let args = [KEYCTL_DESCRIBE, serial as usize, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0];
    // SAFETY: the kernel writes at most as many bytes as the buffer has.
    let length = unsafe { syscall(libc::SYS_keyctl, args) }?;
    buffer.get(..length).ok_or(Errno::NAMETOOLONG)
}

/// Reads the working directory as the kernel prints it, getcwd(2): it starts with `(unreachable)` when
/// it lies outside the process's root.
///
/// # Errors
/// As getcwd(2).
pub fn getcwd(buffer: &mut [u8]) -> Result<&CStr> {
    let args = [buffer.as_mut_ptr() as usize, buffer.len(), 0, 0, 0, 0];
    // SAFETY: the kernel writes at most as many bytes as the buffer has.
    let length = unsafe { syscall(libc::SYS_getcwd, args) }?;
    CStr::from_bytes_with_nul(&buffer[..length]).map_err(|_| Errno::INVAL)
}

/// clone(2) without shared memory: returns the child's pid, and 0 in the child.
///
/// `flags` may hold `CLONE_PARENT`; the low byte is the signal at its end.
///
/// # Errors
/// As clone(2).
///
/// # Safety
/// The process must have one thread only, since no other goes on in the child.
pub unsafe fn fork(flags: u64) -> Result<i32> {
    // SAFETY: without CLONE_VM the child runs on a copy of this stack; the caller has one thread.
    unsafe { syscall(libc::SYS_clone, [flags as usize, 0, 0, 0, 0, 0]) }.map(|pid| pid as i32)
}

/// Ends the process, with all its threads; by SIGILL, signal(7), where a filter denies that, seccomp(2).
pub fn exit_group(status: i32) -> ! {
    // SAFETY: the call takes a number only and does not return.
    let _ = unsafe { syscall(libc::SYS_exit_group, [status as usize, 0, 0, 0, 0, 0]) };
    trap()
}
