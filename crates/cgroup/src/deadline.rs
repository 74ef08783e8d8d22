//! How long to wait for processes to end, and in what steps.

use std::cell::Cell;
use std::time::{Duration, Instant};

use coble_sys::rustix::event::{PollFd, Timespec, poll};
use coble_sys::rustix::io::Errno;

/// Much longer than a killed process takes to end, unless it hangs in the kernel.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_STEP: Duration = Duration::from_micros(100);
const LONGEST_STEP: Duration = Duration::from_millis(10);

/// The end of one wait.
pub(crate) struct Deadline {
    end: Instant,
    step: Cell<Duration>,
}

impl Deadline {
    pub(crate) fn start() -> Self {
        Self::within(PATIENCE)
    }

    pub(crate) fn within(time: Duration) -> Self {
        Self { end: Instant::now() + time, step: Cell::new(FIRST_STEP) }
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Waits until one of the descriptors has something to say, or for a while: the kernel tells of a
    /// cgroup's events at most every ten milliseconds, and of some ends not at all. Each step is twice as
    /// long as the last one.
    pub(crate) fn wait(&self, fds: &mut [PollFd<'_>]) -> Result<(), Errno> {
        let step = self.step.replace((self.step.get() * 2).min(LONGEST_STEP));
        let timeout = Timespec { tv_sec: 0, tv_nsec: step.subsec_nanos().into() };
        match poll(fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}
