//! Signals that ask this process to end while there is no program yet to pass them on to.

use coble_sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::io::Errno;
use coble_sys::{libc, sigaction_is_ignored, signalfd};

use crate::error::{Error, ErrorKind, Result};

/// What a user or a service manager ends a command with.
const SIGNALS: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// Tells that one of [`SIGNALS`] has come. It is left to whoever reads the process's signals, or takes effect
/// once it isn't held back any more.
#[derive(Debug)]
pub(crate) struct Interrupt(OwnedFd);

/// What a wait waits for, besides the thing itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch<'a> {
    /// Gives up once this process is asked to end.
    pub(crate) interrupt: Option<&'a Interrupt>,
    /// Gives up once this process has ended.
    pub(crate) process: Option<BorrowedFd<'a>>,
}

impl Interrupt {
    /// Watches for those that this process does not ignore, as nohup(1) makes it; they must be held back already.
    pub(crate) fn watch() -> Result<Self> {
        let mut set = 0;
        for signal in SIGNALS {
            let is_ignored = sigaction_is_ignored(signal);
            if !is_ignored.map_err(|errno| Error::os("rt_sigaction", errno))? {
                set |= 1 << (signal - 1);
            }
        }
        signalfd(set).map(Self).map_err(|errno| Error::os("signalfd", errno))
    }
}

impl Watch<'_> {
    /// Waits until `fd` can be read, and says whether it can within `limit`.
    ///
    /// # Errors
    /// It is given up.
    pub(crate) fn wait(&self, fd: BorrowedFd<'_>, limit: Option<Timespec>) -> Result<bool> {
        let interrupt = self.interrupt.map_or(fd, |interrupt| interrupt.0.as_fd());
        let process = self.process.unwrap_or(fd);
        let mut watched = [&fd, &interrupt, &process].map(|fd| PollFd::new(fd, PollFlags::IN));
        loop {
            match poll(&mut watched, limit.as_ref()) {
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::os("poll", errno)),
            }
        }
        let [is_ready, is_interrupted, is_over] = watched.map(|fd| !fd.revents().is_empty());
        match (is_ready, is_interrupted, is_over) {
            (true, ..) => Ok(true),
            (_, true, _) => {
                let words = "interrupted by a signal before the program ran";
                Err(Error::of(ErrorKind::Interrupted, words))
            }
            (.., true) => Err(Error::new("the container's process has ended meanwhile")),
            _ => Ok(false),
        }
    }
}
