//! Stays with a process: passes signals on, relays its terminal, takes away what has ended.

use coble_sys::rustix::event::{PollFd, PollFlags, poll};
use coble_sys::rustix::fd::{BorrowedFd, OwnedFd};
use coble_sys::rustix::io::{Errno, read};
use coble_sys::rustix::process::{WaitOptions, getpid, set_child_subreaper, wait};
use coble_sys::{SignalSet, libc, pidfd_send_signal, sigaction_default, signalfd, sigprocmask};

use crate::error::{Error, Result};
use crate::executor::{Ended, reap};
use crate::notify::Notify;
use crate::relay::Relay;
use crate::supervisor::Supervisor;

/// Signals of this process, held back from before the child is made, so that none is lost.
#[derive(Debug)]
pub(crate) struct Signals {
    fd: OwnedFd,
    before: SignalSet,
    reaps_all: bool,
}

/// A process to stay with.
pub(crate) struct Foreground<'a> {
    pub(crate) signals: &'a Signals,
    pub(crate) pidfd: BorrowedFd<'a>,
    pub(crate) pid: i32,
    /// Its terminal.
    pub(crate) relay: Option<Relay>,
    /// Who answers for its system calls.
    pub(crate) supervisor: Option<&'a mut Supervisor>,
    /// Who is told that it is ready, until it is.
    pub(crate) notify: Option<Notify>,
}

/// Bytes of `struct signalfd_siginfo`, signalfd(2); its first four are the signal's number.
const SIGINFO: usize = 128;

impl Signals {
    /// Holds every signal back that can be. With `reaps_all` orphans of the container become children of
    /// this process, which takes them away.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn take(reaps_all: bool) -> Result<Self> {
        // Faults of this process itself must still end it.
        let faults = [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGABRT,
            libc::SIGSYS,
        ];
        let set = faults.iter().fold(u64::MAX, |set, signal| set & !(1 << (signal - 1)));
        let failed = |errno| Error::os("signalfd", errno);
        let before = sigprocmask(set).map_err(failed)?;
        // Who ignores it loses the status of its children, waitid(2).
        sigaction_default(libc::SIGCHLD).map_err(failed)?;
        if reaps_all {
            set_child_subreaper(Some(getpid())).map_err(|errno| Error::os("prctl", errno))?;
        }
        Ok(Self { fd: signalfd(set).map_err(failed)?, before, reaps_all })
    }

    fn next(&self) -> Result<Option<i32>> {
        let mut info = [0; SIGINFO];
        match read(&self.fd, &mut info) {
            Ok(SIGINFO) => Ok(Some(i32::from_ne_bytes([info[0], info[1], info[2], info[3]]))),
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(errno) => Err(Error::os("read a signal", errno)),
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // It was in force before.
        let _ = sigprocmask(self.before);
    }
}

impl Foreground<'_> {
    /// Stays until the process has ended. Returns how, and why some of its output was lost, if it was.
    ///
    /// # Errors
    /// The kernel's; the process then goes on.
    pub(crate) fn attend(mut self) -> Result<(Ended, Option<Error>)> {
        let mut relay = self.relay.take();
        let mut ended = None;
        while ended.is_none() {
            let is_over = self.wait(relay.as_ref())?;
            if let Some(relay) = &mut relay {
                relay.pass_on();
            }
            self.notify.take_if(|notify| notify.pass_on());
            ended = self.pass_signals(relay.as_ref())?;
            // After SIGCHLD was taken away, which is what it goes by.
            if let Some(supervisor) = &mut self.supervisor {
                supervisor.attend()?;
                ended = ended.or(supervisor.ended());
            }
            if is_over && ended.is_none() {
                ended = Some(reap(self.pidfd)?);
            }
        }
        let lost = relay.and_then(Relay::finish);
        let ended = ended.ok_or_else(|| Error::new("the process has no status"))?;
        Ok((ended, lost))
    }

    /// Waits until there is something to do. Says whether the process has ended.
    fn wait(&self, relay: Option<&Relay>) -> Result<bool> {
        let mut watched = vec![
            PollFd::new(&self.pidfd, PollFlags::IN),
            PollFd::new(&self.signals.fd, PollFlags::IN),
        ];
        watched.extend(self.notify.as_ref().map(|notify| PollFd::new(notify, PollFlags::IN)));
        let supervised: Vec<_> =
            self.supervisor.iter().flat_map(|supervisor| supervisor.watch()).collect();
        watched.extend(supervised.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
        if let Some(relay) = relay {
            relay.watch(&mut watched);
        }
        match poll(&mut watched, None) {
            Ok(_) => Ok(!watched[0].revents().is_empty()),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(Error::os("poll", errno)),
        }
    }

    /// Passes on what came. Returns how the process ended if that was found on the way.
    fn pass_signals(&self, relay: Option<&Relay>) -> Result<Option<Ended>> {
        while let Some(signal) = self.signals.next()? {
            match signal {
                // Whoever traces takes away what has ended as well.
                libc::SIGCHLD if self.is_traced() => {}
                libc::SIGCHLD if self.signals.reaps_all => {
                    let ended = self.reap_all();
                    if ended.is_some() {
                        return Ok(ended);
                    }
                }
                libc::SIGWINCH if relay.is_some() => relay.map_or(Ok(()), Relay::resize)?,
                // Meant for this process alone.
                libc::SIGCHLD | libc::SIGPIPE | libc::SIGURG => {}
                // It may have ended by now.
                signal => match pidfd_send_signal(self.pidfd, signal) {
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => return Err(Error::os("pass a signal on", errno)),
                },
            }
        }
        Ok(None)
    }

    fn is_traced(&self) -> bool {
        self.supervisor.as_ref().is_some_and(|supervisor| supervisor.is_tracing())
    }

    /// Takes every child away that has ended. Returns how the process ended if it is among them.
    fn reap_all(&self) -> Option<Ended> {
        let mut ended = None;
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if pid.as_raw_nonzero().get() == self.pid {
                ended = Some(Ended {
                    exited: status.exit_status(),
                    signal: status.terminating_signal(),
                });
            }
        }
        ended
    }
}
