//! How long systemd may take.

use std::time::{Duration, Instant};

use crate::Error;

/// The end of one thing that systemd is asked for, with all waits, questions and new connections that it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    end: Instant,
    length: Duration,
}

impl Patience {
    /// To make a unit: as long as runc gives it. A systemd that reads thousands of units anew is slow.
    pub(crate) fn to_make() -> Self {
        Self::of(Duration::from_secs(30))
    }

    /// To change or end one: as long as a container's end is waited for elsewhere.
    pub(crate) fn to_change() -> Self {
        Self::of(Duration::from_secs(10))
    }

    pub(crate) fn of(length: Duration) -> Self {
        Self { end: Instant::now() + length, length }
    }

    /// What is left of it.
    ///
    /// # Errors
    /// [`Error::Systemd`], which says that `what` has not come, if nothing is left.
    pub(crate) fn left(&self, what: &str) -> Result<Duration, Error> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let seconds = self.length.as_secs_f64();
            return Err(Error::systemd(format!("no {what} within {seconds} s")));
        }
        Ok(left)
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }
}
