//! `run`: makes a container and runs its program at once.

use coble_sys::rustix::fd::AsFd;

use crate::create::Create;
use crate::error::{Error, Result};
use crate::foreground::{Foreground, Signals};
use crate::make::{Making, Purpose};
use crate::pid_file::write_pid_file;

/// A container to be run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The container.
    pub create: Create,
    /// Return once the program runs.
    pub detach: bool,
    /// Leave the container's state behind when it has ended.
    pub keep: bool,
    /// Leave orphans of the container to the host's first process.
    pub no_subreaper: bool,
}

/// How a container that was run came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// The program's exit status, or 128 and the signal's number; 0 if it was detached.
    pub status: u8,
    /// What the program did not get although it asked for it, and poststop hooks that failed.
    pub warnings: Vec<Error>,
}

impl Run {
    /// Runs the program to its end, or with `detach` to its start.
    ///
    /// # Errors
    /// The first step that fails; then nothing is left of the container.
    pub fn execute(&self) -> Result<Finished> {
        if self.detach {
            let making = self.start()?;
            let warnings = making.warnings();
            making.keep();
            return Ok(Finished { status: 0, warnings });
        }
        self.stay()
    }

    /// Until the program runs.
    fn start(&self) -> Result<Making> {
        let purpose = if self.detach { Purpose::Detached } else { Purpose::Foreground };
        let mut making = Making::begin(&self.create, purpose)?;
        making.await_ready()?;
        write_pid_file(self.create.pid_file.as_deref(), making.executor()?.pid)?;
        making.entry.unlock()?;
        making.run_poststart()?;
        Ok(making)
    }

    fn stay(&self) -> Result<Finished> {
        let signals = Signals::take(!self.no_subreaper)?;
        let mut making = self.start()?;
        let mut warnings = making.warnings();
        let relay = making.relay.take();
        let foreground = Foreground {
            signals: &signals,
            pidfd: making.executor()?.pidfd.as_fd(),
            pid: making.executor()?.pid,
            relay,
        };
        let status = foreground.attend()?.status();
        if self.keep {
            making.keep();
            return Ok(Finished { status, warnings });
        }
        making.entry.lock()?;
        if making.entry.is_removed()? {
            making.keep();
            return Ok(Finished { status, warnings });
        }
        warnings.extend(making.finish()?);
        Ok(Finished { status, warnings })
    }
}
