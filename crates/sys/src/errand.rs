//! What a process with many threads can't do itself, done by a child that shares its memory and descriptors.

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicI32, Ordering};

use rustix::fd::{AsFd, FromRawFd, IntoRawFd, OwnedFd};
use rustix::io::{Errno, Result};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::clone3::clone3;
use crate::{exit_group, sigprocmask};

/// What the child does, and where it leaves the answer: a descriptor, or an error number below zero.
struct Errand<'a, T> {
    task: &'a T,
    run: fn(&T) -> Result<OwnedFd>,
    answer: AtomicI32,
}

/// Has a child run `run(task)` while the caller waits, and takes the descriptor that it has opened. Working directory,
/// root, namespaces and limits are the child's own.
///
/// # Errors
/// As clone3(2), and what `run` answers.
///
/// # Safety
/// `run` must make system calls only: it must not allocate, lock or unwind.
pub(crate) unsafe fn fetch<T>(task: &T, run: fn(&T) -> Result<OwnedFd>) -> Result<OwnedFd> {
    let answer = AtomicI32::new(-Errno::CHILD.raw_os_error());
    let errand = Errand { task, run, answer };
    let sharing = (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES) as u64;
    let mut stack = [MaybeUninit::<u8>::uninit(); 16384];
    let blocked = sigprocmask(u64::MAX)?;
    // SAFETY: `go` makes system calls only, as the caller promises of `run`. The parent is suspended until the child has
    // ended, and every signal is blocked.
    let child = unsafe { clone3(sharing, None, &mut stack, go::<T>, &errand) };
    sigprocmask(blocked)?;
    let child = child?;
    // The caller may ignore SIGCHLD, or wait for any child.
    let _ = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
    match errand.answer.into_inner() {
        // SAFETY: the child has opened it in the table that it shares with this process, and left it there.
        fd @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        error => Err(Errno::from_raw_os_error(-error)),
    }
}

extern "C" fn go<T>(errand: *const Errand<'_, T>) -> ! {
    // SAFETY: the parent's frame is there: its memory is shared while the parent waits.
    let errand = unsafe { &*errand };
    let answer = match (errand.run)(errand.task) {
        Ok(fd) => fd.into_raw_fd(),
        Err(errno) => -errno.raw_os_error(),
    };
    errand.answer.store(answer, Ordering::Relaxed);
    exit_group(0)
}
