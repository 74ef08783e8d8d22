//! open_tree(2) with the caller's rights in a mount namespace that is another process's.

use core::ffi::CStr;

use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::CWD;
use rustix::io::Result;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::{chroot, fchdir};

use crate::{errand, setns};

/// What is opened, and where.
struct Task<'a> {
    pidfd: BorrowedFd<'a>,
    root: BorrowedFd<'a>,
    path: &'a CStr,
    flags: OpenTreeFlags,
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
    // SAFETY: `enter` makes system calls only.
    unsafe { errand::fetch(&Task { pidfd, root, path, flags }, enter) }
}

fn enter(task: &Task<'_>) -> Result<OwnedFd> {
    setns(task.pidfd, libc::CLONE_NEWNS as u64)?;
    fchdir(task.root)?;
    chroot(c".")?;
    open_tree(CWD, task.path, task.flags)
}
