//! `events`: what a container uses, again and again, and each process that the kernel kills for want of memory.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use coble_cgroup::{Cgroup, OomWatch};
use coble_sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use coble_sys::rustix::fd::OwnedFd;
use coble_sys::rustix::io::Errno;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::state::Record;
use crate::stats::{Stats, not_running, stats_of};
use crate::store::{hear_last_oom_events, peek};

/// Something to tell of a container, serialized as runc's `events` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Event {
    /// What it uses.
    Stats {
        /// The container.
        id: String,
        /// What it uses.
        data: Box<Stats>,
    },
    /// One of its processes was killed for want of memory; or, where the kernel is told not to kill, they were
    /// stopped.
    Oom {
        /// The container.
        id: String,
    },
}

/// What is to be told of which container.
#[derive(Clone, Debug)]
pub struct Events {
    /// The state folder.
    pub root: PathBuf,
    /// The container.
    pub id: String,
    /// How long it is from one [`Event::Stats`] to the next, and to the first.
    pub interval: Duration,
}

impl Events {
    /// Hands each event to `each` until that breaks off, or the container's first process has ended. No kill is told
    /// twice, and none that was before.
    ///
    /// # Errors
    /// The interval is 0, there is no such container, it doesn't run (`is not running`), it has no memory
    /// controller, or the kernel's files can't be read.
    pub fn watch(&self, mut each: impl FnMut(Event) -> ControlFlow<()>) -> Result<()> {
        if self.interval.is_zero() {
            return Err(Error::new("duration interval must be greater than 0"));
        }
        let (record, _) = peek(&self.root, &self.id)?;
        let pidfd = record.init.pidfd()?.ok_or_else(|| not_running(&self.id))?;
        let mut oom = Cgroup::from_record(&record.cgroup)?.watch_oom()?;
        if record.runc.is_none()
            && let Some(last) = hear_last_oom_events(&self.root, &self.id)?
        {
            oom.listen_to(last);
        }
        let mut next = Instant::now().checked_add(self.interval);
        loop {
            let has_ended = wait(&pidfd, &oom, next)?;
            for _ in 0..oom.check()? {
                if each(Event::Oom { id: self.id.clone() }).is_break() {
                    return Ok(());
                }
            }
            if has_ended {
                return Ok(());
            }
            if next.is_some_and(|next| Instant::now() >= next) {
                next = Instant::now().checked_add(self.interval);
                let Some(event) = self.stats(&record)? else { continue };
                if each(event).is_break() {
                    return Ok(());
                }
            }
        }
    }

    /// What it uses; none if that can't be told because it is just ending.
    fn stats(&self, record: &Record) -> Result<Option<Event>> {
        match stats_of(record) {
            Ok(data) => Ok(Some(Event::Stats { id: self.id.clone(), data: Box::new(data) })),
            Err(_) if !record.init.is_alive()? => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Waits until there may be something to tell, at most until `next`. Says whether the process has ended.
fn wait(pidfd: &OwnedFd, oom: &OomWatch, next: Option<Instant>) -> Result<bool> {
    let left = next.map(|next| next.saturating_duration_since(Instant::now()));
    let timeout = [left, oom.patience()].into_iter().flatten().min();
    let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
    let mut watched = oom.poll_fds();
    watched.push(PollFd::new(pidfd, PollFlags::IN));
    match poll(&mut watched, timeout.as_ref()) {
        Ok(_) => Ok(watched.last().is_some_and(|pidfd| !pidfd.revents().is_empty())),
        Err(Errno::INTR) => Ok(false),
        Err(errno) => Err(Error::os("poll", errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_those_of_runc() {
        let oom = serde_json::to_string(&Event::Oom { id: "a".into() }).unwrap();
        assert_eq!(oom, r#"{"type":"oom","id":"a"}"#);
        let stats = Event::Stats { id: "a".into(), data: Box::default() };
        let text = serde_json::to_string(&stats).unwrap();
        assert!(text.starts_with(r#"{"type":"stats","id":"a","data":{"cpu":{},"#), "{text}");
    }

    #[test]
    fn there_is_some_time_between_two() {
        let events = Events { root: "/none".into(), id: "a".into(), interval: Duration::ZERO };
        let error = events.watch(|_| ControlFlow::Continue(())).unwrap_err();
        assert_eq!(error.to_string(), "duration interval must be greater than 0");
    }
}
