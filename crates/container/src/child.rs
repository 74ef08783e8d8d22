//! A process that a verb leaves to its caller.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::error::{Error, Result};
use crate::executor::{Ended, ended, reap};

/// A container's first process, or one that was added by an exec: a child of this process, as
/// [`std::process::Child`] is.
///
/// Dropping it neither ends the process nor takes it away: whoever wants its status, or no zombie, waits for it. It
/// is only ever waited for by its pidfd, so no other child of the program is touched. The pidfd can be polled, with
/// tokio's `AsyncFd` for example: it is readable once the process has ended (pidfd_open(2)).
#[derive(Debug)]
pub struct Child {
    pid: i32,
    pidfd: OwnedFd,
    status: Option<ExitStatus>,
}

/// What a verb has started.
#[derive(Debug)]
pub struct Spawned {
    /// The process.
    pub child: Child,
    /// What it doesn't get although its configuration asks for it.
    pub warnings: Vec<Error>,
}

impl Child {
    pub(crate) fn new(pid: i32, pidfd: OwnedFd) -> Self {
        Self { pid, pidfd, status: None }
    }

    /// Its number in this process's pid namespace.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits for its end. After that the answer stays the same.
    ///
    /// # Errors
    /// `ECHILD` if somebody else has waited for it: another part of the program that waits for any child, or a parent
    /// that ignores SIGCHLD (wait(2)).
    pub fn wait(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        Ok(*self.status.insert(reap(self.pidfd.as_fd())?.into()))
    }

    /// The same without waiting; `None` while it goes on.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = ended(self.pidfd.as_fd())?.map(ExitStatus::from);
        }
        Ok(self.status)
    }
}

/// The pidfd (Linux 5.2).
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// The pidfd (Linux 5.2).
impl From<Child> for OwnedFd {
    fn from(child: Child) -> Self {
        child.pidfd
    }
}

impl From<Ended> for ExitStatus {
    /// In the form of wait(2): the status in the second byte, or a signal in the first.
    fn from(ended: Ended) -> Self {
        Self::from_raw(ended.exited.map_or(ended.signal.unwrap_or(0), |status| status << 8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_the_standard_librarys() {
        let status = |exited, signal| ExitStatus::from(Ended { exited, signal });
        assert_eq!((status(Some(3), None).code(), status(Some(3), None).signal()), (Some(3), None));
        assert_eq!((status(None, Some(9)).code(), status(None, Some(9)).signal()), (None, Some(9)));
        assert!(status(Some(0), None).success());
    }
}
