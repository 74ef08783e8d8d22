//! rt_sigprocmask(2), rt_sigaction(2) and signalfd(2), on the kernel's own 64-bit set.

use core::mem::size_of;

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::Result;

use crate::arch::syscall;

/// Signal N stands at bit N-1.
pub type SignalSet = u64;

/// Sets the calling thread's mask of blocked signals and returns the old one.
///
/// # Errors
/// As rt_sigprocmask(2).
pub fn sigprocmask(set: SignalSet) -> Result<SignalSet> {
    let mut old: SignalSet = 0;
    let args = [
        libc::SIG_SETMASK as usize,
        &raw const set as usize,
        &raw mut old as usize,
        size_of::<SignalSet>(),
        0,
        0,
    ];
    // SAFETY: both sets live through the call and have the size that is given.
    unsafe { syscall(libc::SYS_rt_sigprocmask, args) }?;
    Ok(old)
}

/// Gives a signal its default action back.
///
/// # Errors
/// As rt_sigaction(2).
pub fn sigaction_default(signal: i32) -> Result<()> {
    // The kernel's structure: handler, flags, restorer, mask. All zero is SIG_DFL.
    let action = [0u64; 4];
    let args = [signal as usize, action.as_ptr() as usize, 0, size_of::<SignalSet>(), 0, 0];
    // SAFETY: the structure lives through the call; no handler is installed.
    unsafe { syscall(libc::SYS_rt_sigaction, args) }.map(drop)
}

/// Has a signal ignored.
///
/// # Errors
/// As rt_sigaction(2).
pub fn sigaction_ignore(signal: i32) -> Result<()> {
    let action = [libc::SIG_IGN as u64, 0, 0, 0];
    let args = [signal as usize, action.as_ptr() as usize, 0, size_of::<SignalSet>(), 0, 0];
    // SAFETY: the structure lives through the call; no handler is installed.
    unsafe { syscall(libc::SYS_rt_sigaction, args) }.map(drop)
}

/// Whether a signal is ignored.
///
/// # Errors
/// As rt_sigaction(2).
pub fn sigaction_is_ignored(signal: i32) -> Result<bool> {
    let mut action = [0u64; 4];
    let args = [signal as usize, 0, action.as_mut_ptr() as usize, size_of::<SignalSet>(), 0, 0];
    // SAFETY: the structure lives through the call, and is as large as the kernel's; nothing is changed.
    unsafe { syscall(libc::SYS_rt_sigaction, args) }?;
    Ok(action[0] == libc::SIG_IGN as u64)
}

/// A descriptor from which the signals of `set` are read, close-on-exec and non-blocking.
///
/// # Errors
/// As signalfd(2).
pub fn signalfd(set: SignalSet) -> Result<OwnedFd> {
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    let args = [usize::MAX, &raw const set as usize, size_of::<SignalSet>(), flags as usize, 0, 0];
    // SAFETY: the set lives through the call and has the size that is given.
    let fd = unsafe { syscall(libc::SYS_signalfd4, args) }?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sends a signal to the process behind a pidfd (Linux 5.1); any number, real-time ones too.
///
/// # Errors
/// As pidfd_send_signal(2).
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    let args = [pidfd.as_raw_fd() as usize, signal as usize, 0, 0, 0, 0];
    // SAFETY: the call takes numbers and a null pointer only.
    unsafe { syscall(libc::SYS_pidfd_send_signal, args) }.map(drop)
}
