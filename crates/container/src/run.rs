//! `run`: makes a container and runs its program at once.

use coble_sys::rustix::fd::AsFd;

use crate::child::Spawned;
use crate::create::Create;
use crate::error::{Error, Result};
use crate::filter;
use crate::foreground::{Foreground, Signals};
use crate::make::{Making, Purpose};
use crate::observe::{Observe, Observed};
use crate::supervisor::Supervisor;
use crate::user_network::UserNetwork;

/// A container to be run: made, started, and with [`Run::execute`] waited for and deleted.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The container.
    pub create: Create,
    /// Return once the program runs.
    pub detach: bool,
    /// Leave the container's state behind when it has ended.
    pub keep: bool,
    /// What to find out about the program's system calls; only where the caller stays.
    pub observe: Observe,
    /// Leave orphans of the container to the next reaper above, mostly the host's first process.
    pub no_subreaper: bool,
}

/// How a container that was run came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// The program's exit status, or 128 and the signal's number; 0 if it was detached.
    pub status: u8,
    /// What the program did not get although it asked for it, and poststop hooks that failed.
    pub warnings: Vec<Error>,
    /// What was found out about the program's system calls, if that was asked for.
    pub observed: Option<Observed>,
}

impl Run {
    /// Runs the program to its end, or with `detach` to its start.
    ///
    /// Without `detach` it takes the whole process into service, as a command does that stands in for the program,
    /// and is not for a program that does other things at the same time: every signal that reaches the calling
    /// thread is passed on, SIGCHLD gets its default action back, the process becomes the reaper of the container's
    /// orphans and with them of all its own (PR_SET_CHILD_SUBREAPER, prctl(2); not with `no_subreaper`), and its
    /// standard streams are relayed if the container has a terminal. [`Run::spawn`] does nothing of this.
    ///
    /// # Errors
    /// The first step that fails; then nothing is left of the container.
    pub fn execute(&self) -> Result<Finished> {
        if self.detach {
            if self.observe.is_wanted() {
                let words =
                    "system calls can be looked at only by who stays until the program has ended";
                return Err(Error::new(words));
            }
            let Spawned { warnings, .. } = self.spawn()?;
            return Ok(Finished { warnings, ..Finished::default() });
        }
        self.stay(None)
    }

    /// Runs the program and returns once it runs (with a `notify_socket`, once it is ready), whatever `detach`, `keep` and `no_subreaper` say. The container
    /// stays when the calling thread ends. Once the program has ended, the caller waits for the child and
    /// [deletes](crate::delete) the container.
    ///
    /// # Errors
    /// The first step that fails; then nothing is left of the container.
    pub fn spawn(&self) -> Result<Spawned> {
        let mut making = self.start(Purpose::Detached, Observe::default(), None)?;
        let notify = making.notify.take();
        let mut spawned = making.leave()?;
        if let Some(notify) = notify {
            let heard = notify.await_ready(spawned.child.as_fd(), spawned.child.pid());
            spawned.warnings.extend(heard.err());
        }
        Ok(spawned)
    }

    /// Until the program runs.
    fn start(
        &self,
        purpose: Purpose,
        observe: Observe,
        network: Option<&UserNetwork>,
    ) -> Result<Making> {
        let mut making = Making::begin(&self.create, purpose, observe, network)?;
        match self.launch(&mut making) {
            Ok(()) => Ok(making),
            Err(error) => Err(making.abandon(error)),
        }
    }

    fn launch(&self, making: &mut Making) -> Result<()> {
        self.create.ready(making)?;
        making.entry.unlock()?;
        making.run_poststart()
    }

    /// Runs the program to its end, with a helper that connects its network namespace while it runs, if one is given.
    ///
    /// # Errors
    /// As [`Run::execute`].
    pub(crate) fn stay(&self, network: Option<&UserNetwork>) -> Result<Finished> {
        let signals = Signals::take(!self.no_subreaper)?;
        let mut making = self.start(Purpose::Foreground, self.observe.clone(), network)?;
        let mut warnings = making.warnings();
        let (relay, notify) = (making.relay.take(), making.notify.take());
        let mut supervisor = making.supervisor.take();
        let foreground = Foreground {
            supervisor: supervisor.as_mut(),
            signals: &signals,
            pidfd: making.executor()?.pidfd.as_fd(),
            pid: making.executor()?.pid,
            relay,
            notify,
        };
        let (ended, lost) = match foreground.attend() {
            Ok(attended) => attended,
            Err(error) => return Err(making.abandon(error)),
        };
        warnings.extend(lost);
        let status = match &supervisor {
            Some(supervisor) => supervisor.status(ended),
            None => ended.status(),
        };
        let is_told = supervisor.is_some();
        let observed = supervisor.map(Supervisor::finish);
        if making.bundle.has_filter() && !is_told {
            warnings.extend(filter::killed(&ended));
        }
        if status != 0 {
            warnings.extend(making.oom_kills().and_then(|kills| kills.warning(&self.create.id)));
        }
        if self.keep {
            making.keep();
            return Ok(Finished { status, warnings, observed });
        }
        making.entry.lock()?;
        if making.entry.is_removed()? {
            making.keep();
            return Ok(Finished { status, warnings, observed });
        }
        warnings.extend(making.finish()?);
        Ok(Finished { status, warnings, observed })
    }
}
