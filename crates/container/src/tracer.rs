//! Sees the system calls that are let through, by stopping the program at each, ptrace(2).

use coble_seccomp::{Arch, Data};
use coble_sys::ptrace::{self, Change, TracedCall};
use coble_sys::rustix::event::{EventfdFlags, eventfd};
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::io::{Errno, read, write};
use coble_sys::{libc, signalfd};

use crate::error::{Error, Result};
use crate::executor::Ended;

/// What is traced. It ends with this process.
#[derive(Debug)]
pub(crate) struct Tracer {
    /// Readable once something has stopped or ended.
    signals: OwnedFd,
    /// Readable while there may be more than was seen to.
    more: OwnedFd,
}

/// Changes that are seen to at once. Busy programs always have a next one, and others wait as well.
const AT_ONCE: usize = 64;

impl Tracer {
    /// Traces the executor and all that comes of it. SIGCHLD must be held back already.
    ///
    /// # Errors
    /// The kernel's: somebody else traces it, or nobody may.
    pub(crate) fn begin(pid: i32) -> Result<Self> {
        let signals =
            signalfd(1 << (libc::SIGCHLD - 1)).map_err(|errno| Error::os("signalfd", errno))?;
        let more = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| Error::os("eventfd", errno))?;
        ptrace::trace(pid).map_err(|errno| Error::os("trace the container, ptrace", errno))?;
        Ok(Self { signals, more })
    }

    /// What to wait for.
    pub(crate) fn watch(&self) -> [BorrowedFd<'_>; 2] {
        [self.signals.as_fd(), self.more.as_fd()]
    }

    /// Tells `see` of each call at which something stops, and lets all go on. Takes away what has ended, any child of this
    /// process, and tells `bury` of it.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn attend(
        &self,
        mut see: impl FnMut(&Data),
        mut bury: impl FnMut(i32, Ended),
    ) -> Result<()> {
        // What they say is found in any case, and it may have been read already.
        let _ = read(&self.signals, &mut [0; 128]);
        let _ = read(&self.more, &mut [0; 8]);
        for _ in 0..AT_ONCE {
            let (pid, change) = match ptrace::next_change() {
                Ok(Some(change)) => change,
                Ok(None) | Err(Errno::CHILD) => return Ok(()),
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(Error::os("wait4", errno)),
            };
            let gone = match change {
                Change::Exited(status) => {
                    bury(pid, Ended { exited: Some(status), signal: None });
                    continue;
                }
                Change::Killed(signal) => {
                    bury(pid, Ended { exited: None, signal: Some(signal) });
                    continue;
                }
                Change::Call => ptrace::call_of(pid).and_then(|call| {
                    data(&call).iter().for_each(&mut see);
                    ptrace::go_on(pid, 0)
                }),
                Change::Signal(signal) => ptrace::go_on(pid, signal),
                Change::Stopped => ptrace::stay(pid),
                Change::Traced => ptrace::go_on(pid, 0),
            };
            match gone {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(errno) => return Err(Error::os("go on with what is traced, ptrace", errno)),
            }
        }
        write(&self.more, &1_u64.to_ne_bytes()).map_err(|errno| Error::os("eventfd", errno))?;
        Ok(())
    }
}

fn data(call: &TracedCall) -> Option<Data> {
    let TracedCall { arch, number, args } = *call;
    Arch::told(arch, number).map(|arch| Data { arch, number, args })
}
