//! Sees the system calls that are let through, by stopping the program at each, ptrace(2).

use coble_seccomp::{Arch, Data};
use coble_sys::ptrace::{self, Change, TracedCall};
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::io::{Errno, read};
use coble_sys::{libc, signalfd};

use crate::error::{Error, Result};
use crate::executor::Ended;

/// What is traced. It ends with this process.
#[derive(Debug)]
pub(crate) struct Tracer {
    /// Readable once something has stopped or ended.
    signals: OwnedFd,
}

impl Tracer {
    /// Traces the executor and all that comes of it. SIGCHLD must be held back already.
    ///
    /// # Errors
    /// The kernel's: somebody else traces it, or nobody may.
    pub(crate) fn begin(pid: i32) -> Result<Self> {
        let signals =
            signalfd(1 << (libc::SIGCHLD - 1)).map_err(|errno| Error::os("signalfd", errno))?;
        ptrace::trace(pid).map_err(|errno| Error::os("trace the container, ptrace", errno))?;
        Ok(Self { signals })
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
        // What it says is found in any case, and it may have been read already.
        let _ = read(&self.signals, &mut [0; 128]);
        loop {
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
    }
}

impl AsFd for Tracer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }
}

fn data(call: &TracedCall) -> Option<Data> {
    let TracedCall { arch, number, args } = *call;
    Arch::told(arch, number).map(|arch| Data { arch, number, args })
}
