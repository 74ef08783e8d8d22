//! setns(2) and unshare(2) of the calling thread.

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Result;

use crate::arch::syscall;

/// Joins the namespace behind `fd`, of the kind that `flags` (`CLONE_NEW*`) names; with a pidfd
/// (Linux 5.8) all the kinds that `flags` names.
///
/// # Errors
/// As setns(2).
pub fn setns(fd: BorrowedFd<'_>, flags: u64) -> Result<()> {
    let args = [fd.as_raw_fd() as usize, flags as usize, 0, 0, 0, 0];
    // SAFETY: the call takes numbers only; the descriptor table stays the caller's.
    unsafe { syscall(libc::SYS_setns, args) }.map(drop)
}

/// Makes new namespaces of the kinds in `flags` (`CLONE_NEW*` only).
///
/// # Errors
/// As unshare(2).
pub fn unshare(flags: u64) -> Result<()> {
    let args = [flags as usize, 0, 0, 0, 0, 0];
    // SAFETY: the call takes a number only; with `CLONE_NEW*` alone the descriptor table stays shared.
    unsafe { syscall(libc::SYS_unshare, args) }.map(drop)
}
