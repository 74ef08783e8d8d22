//! What the kernel has counted of a cgroup's want of memory.

use coble_sys::rustix::io::Errno;

use crate::error::is_gone;
use crate::oom::{CONTROL, EVENTS, kill_count};
use crate::place::Place;
use crate::{Cgroup, Error, file, tree};

/// v2: the events of a cgroup without those below it (Linux 5.2).
const LOCAL_EVENTS: &str = "memory.events.local";

/// v1: the most that was ever used, and its limit. How often a limit was met (`memory.failcnt`) is not counted by every
/// kernel.
const LIMITS_V1: [(&str, &str); 2] = [
    ("memory.max_usage_in_bytes", "memory.limit_in_bytes"),
    ("memory.memsw.max_usage_in_bytes", "memory.memsw.limit_in_bytes"),
];

/// v1: the most that the kernel asks for at once and then kills for, in bytes: it may have been refused so much below
/// the limit.
const STEP: u64 = 64 << 10;

impl Cgroup {
    /// How many processes of the cgroup and of those below it the kernel has killed for want of memory since the
    /// cgroup was made, whichever limit it was for. 0 if the cgroup is gone, and where nothing counts them. v1 forgets
    /// the cgroups below that are gone.
    ///
    /// # Errors
    /// [`Error::Os`]; [`Error::Unreadable`].
    pub fn oom_kills(&self) -> Result<u64, Error> {
        match self.memory_place() {
            None => Ok(0),
            Some(place) if place.is_v2() => count(file::read(place.dir(), EVENTS)),
            Some(place) => {
                let mut kills = 0;
                tree::each(place.dir(), |directory| {
                    kills += count(directory.read(CONTROL))?;
                    Ok(())
                })?;
                Ok(kills)
            }
        }
    }

    /// What [`Cgroup::oom_kills`] counts that is not the container's: that of a cgroup which was there before
    /// [`Cgroup::create`]. To be called between that and [`Cgroup::apply`].
    ///
    /// # Errors
    /// As [`Cgroup::oom_kills`].
    pub fn former_oom_kills(&self) -> Result<u64, Error> {
        // systemd makes a new one in any case.
        let is_old = |place: &Place| !place.is_fresh && self.unit.is_none();
        if self.memory_place().is_some_and(is_old) { self.oom_kills() } else { Ok(0) }
    }

    /// The cgroup's own limit of memory, or (v1) of memory and swap, in bytes, if its processes have ever asked for more.
    ///
    /// # Errors
    /// [`Error::Os`], also if the cgroup is gone; [`Error::Unreadable`].
    pub fn exhausted_memory(&self) -> Result<Option<u64>, Error> {
        let Some(place) = self.memory_place() else { return Ok(None) };
        if place.is_v2() {
            let events = file::read(place.dir(), LOCAL_EVENTS)?;
            let is_met = events.lines().any(|line| line.starts_with("oom ") && line != "oom 0");
            return if is_met { number(place.dir(), "memory.max") } else { Ok(None) };
        }
        for (most, limit) in LIMITS_V1 {
            let limit = match number(place.dir(), limit) {
                // Where swap isn't accounted for.
                Err(error) if error.errno() == Some(Errno::NOENT) => continue,
                limit => limit?,
            };
            let most = number(place.dir(), most)?;
            if most.map(|most| most.saturating_add(STEP)) >= limit {
                return Ok(limit);
            }
        }
        Ok(None)
    }

    /// The hierarchy that limits memory, as far as that can be told without looking.
    pub(crate) fn memory_place(&self) -> Option<&Place> {
        self.of("memory").or_else(|| self.unified())
    }
}

fn count(counters: Result<String, Error>) -> Result<u64, Error> {
    match counters {
        Ok(text) => Ok(kill_count(&text)),
        // Without the controller there is no file.
        Err(Error::Os { errno, .. }) if is_gone(errno) || errno == Errno::OPNOTSUPP => Ok(0),
        Err(error) => Err(error),
    }
}

/// A file's number; none for `max`.
fn number(dir: &str, name: &str) -> Result<Option<u64>, Error> {
    let text = file::read(dir, name)?;
    match text.trim_end() {
        "max" => Ok(None),
        digits => digits.parse().map(Some).map_err(|_| Error::Unreadable {
            path: format!("{dir}/{name}"),
            reason: format!("{digits:?} is not a number"),
        }),
    }
}
