//! open_tree(2) with the caller's rights in a mount namespace that is another process's.

use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicI32, Ordering};

use rustix::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use rustix::fs::CWD;
use rustix::io::{Errno, Result};
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::{WaitId, WaitIdOptions, chroot, fchdir, waitid};

use crate::clone3::clone3;
use crate::{exit_group, setns, sigprocmask};

/// What the child needs, and where it leaves the answer: a descriptor, or an error number below zero.
struct Task<'a> {
    pidfd: BorrowedFd<'a>,
    root: BorrowedFd<'a>,
    path: &'a CStr,
    flags: OpenTreeFlags,
    answer: AtomicI32,
}

/// Opens `path` in the mount namespace of the process behind `pidfd`, seen from `root`, which is a directory there. The
/// caller's rights count, and none of that process.
///
/// A thread of a process with many can't join a mount namespace, so a child does it that shares the caller's memory and
/// descriptors, while the caller waits.
///
/// # Errors
/// As clone3(2), setns(2) with a pidfd (Linux 5.8), chroot(2) and open_tree(2).
pub fn open_tree_of(
    pidfd: BorrowedFd<'_>,
    root: BorrowedFd<'_>,
    path: &CStr,
    flags: OpenTreeFlags,
) -> Result<OwnedFd> {
    let answer = AtomicI32::new(-Errno::CHILD.raw_os_error());
    let task = Task { pidfd, root, path, flags, answer };
    let sharing = (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES) as u64;
    let mut stack = [MaybeUninit::<u8>::uninit(); 16384];
    let blocked = sigprocmask(u64::MAX)?;
    // SAFETY: `open` makes system calls only. The parent is suspended until the child has ended, and every signal is
    // blocked.
    let child = unsafe { clone3(sharing, None, &mut stack, open, &task) };
    sigprocmask(blocked)?;
    let child = child?;
    // The caller may ignore SIGCHLD, or wait for any child.
    let _ = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
    match task.answer.into_inner() {
        // SAFETY: the child has opened it in the table that it shares with this process, and left it there.
        fd @ 0.. => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        error => Err(Errno::from_raw_os_error(-error)),
    }
}

extern "C" fn open(task: *const Task<'_>) -> ! {
    // SAFETY: the parent's frame is there: its memory is shared while the parent waits.
    let task = unsafe { &*task };
    let answer = match enter(task) {
        Ok(tree) => tree.into_raw_fd(),
        Err(errno) => -errno.raw_os_error(),
    };
    task.answer.store(answer, Ordering::Relaxed);
    exit_group(0)
}

fn enter(task: &Task<'_>) -> Result<OwnedFd> {
    setns(task.pidfd, libc::CLONE_NEWNS as u64)?;
    fchdir(task.root)?;
    chroot(c".")?;
    open_tree(CWD, task.path, task.flags)
}
