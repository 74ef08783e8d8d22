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
    /// How long a process that was killed may take to end.
    pub(crate) const END: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

    /// Waits until `fd` can be read, and says whether it can within `limit`.
    ///
    /// # Errors
    /// It is given up.
    pub(crate) fn wait(&self, fd: BorrowedFd<'_>, limit: Option<Timespec>) -> Result<bool> {
        let interrupt = self.interrupt.map(|interrupt| interrupt.0.as_fd());
        let mut watched = vec![PollFd::new(&fd, PollFlags::IN)];
        let others = [&interrupt, &self.process].into_iter().flatten();
        watched.extend(others.map(|other| PollFd::new(other, PollFlags::IN)));
        poll_again(&mut watched, limit.as_ref())?;
        let mut seen = watched.iter().map(|fd| !fd.revents().is_empty());
        let is_ready = seen.next().unwrap_or(false);
        let is_interrupted = interrupt.is_some() && seen.next().unwrap_or(false);
        let is_over = seen.next().unwrap_or(false);
        if is_ready {
            return Ok(true);
        }
        if is_interrupted {
            return Err(interrupted());
        }
        if !is_over {
            return Ok(false);
        }
        // The kernel looks at one after the other: the process may have said something and ended in between.
        let mut fd = [PollFd::new(&fd, PollFlags::IN)];
        match poll_again(&mut fd, Some(&Timespec::default()))? {
            0 => Err(Error::new("the container's process has ended meanwhile")),
            _ => Ok(true),
        }
    }

    /// Waits until `fd` or one of the others can be read, and says whether it is `fd`.
    ///
    /// # Errors
    /// This process is asked to end.
    pub(crate) fn first_of(&self, fd: BorrowedFd<'_>, others: &[BorrowedFd<'_>]) -> Result<bool> {
        let interrupt = self.interrupt.map(|interrupt| interrupt.0.as_fd());
        let all = std::iter::once(&fd).chain(others).chain(&interrupt);
        let mut watched: Vec<PollFd<'_>> = all.map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        poll_again(&mut watched, None)?;
        let seen: Vec<bool> = watched.iter().map(|fd| !fd.revents().is_empty()).collect();
        match seen[..=others.len()].contains(&true) {
            true => Ok(seen[0]),
            false => Err(interrupted()),
        }
    }
}

fn interrupted() -> Error {
    Error::of(ErrorKind::Interrupted, "interrupted by a signal before the program ran")
}

/// poll(2), whatever signals come; gives how many are ready.
fn poll_again(fds: &mut [PollFd<'_>], limit: Option<&Timespec>) -> Result<usize> {
    loop {
        match poll(fds, limit) {
            Err(Errno::INTR) => {}
            done => return done.map_err(|errno| Error::os("poll", errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// The kernel looks at the descriptors one after the other, so what comes in between must not be taken for
    /// something else.
    #[test]
    fn what_comes_while_the_kernel_looks_is_seen_as_what_it_is() {
        const ROUNDS: u32 = 100_000;
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let asked = AtomicU32::new(0);
        let interrupt = Interrupt::watch().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    while asked.load(Ordering::Acquire) < round {
                        std::thread::yield_now();
                    }
                    // At another moment each time.
                    (0..round % 50).for_each(|_| std::hint::spin_loop());
                    there.write_all(b"x").unwrap();
                }
            });
            let mut mistaken = 0;
            for round in 1..=ROUNDS {
                let interrupt = (round % 2 == 0).then_some(&interrupt);
                let watch = Watch { interrupt, process: None };
                asked.store(round, Ordering::Release);
                mistaken += u32::from(!matches!(watch.wait(here.as_fd(), None), Ok(true)));
                here.read_exact(&mut [0]).unwrap();
            }
            assert_eq!(mistaken, 0);
        });
    }
}
