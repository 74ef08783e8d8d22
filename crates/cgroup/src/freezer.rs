//! Whether a cgroup's processes are held, and how to hold them and let them go.

use crate::deadline::Deadline;
use crate::error::is_gone;
use crate::place::Place;
use crate::{Cgroup, Error, events, file, hindrance, tree};

/// v1: after so many tries all processes are let go for a moment. While some fork, or come in, a cgroup may stay
/// half frozen for ever; a new beginning mostly gets all of them.
const ROUND: u32 = 16;

impl Cgroup {
    /// Whether the container is paused, or about to be: its own cgroup was told to freeze. One above it may
    /// hold it too, which is not the container's state.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn frozen(&self) -> Result<bool, Error> {
        self.freezer().map_or(Ok(false), is_frozen)
    }

    /// Holds every process of the cgroup and of those below it, and waits until all of them are held, at most ten
    /// seconds. If that fails they are let go again.
    ///
    /// # Errors
    /// [`Error::NoFreezer`]; [`Error::NotFrozen`] if one of the processes can't be held, as in a system call that
    /// doesn't end; [`Error::Os`].
    pub fn freeze(&self) -> Result<(), Error> {
        let place = self.freezer().ok_or(Error::NoFreezer)?;
        let held = match hold(place, &Deadline::start()) {
            Ok(true) => return Ok(()),
            Ok(false) => {
                let why = hindrance::stuck(place);
                Error::NotFrozen { path: place.dir().to_owned(), why }
            }
            Err(error) => error,
        };
        let _ = set(place, place.dir(), false);
        Err(held)
    }

    /// Lets the processes go that [`Cgroup::freeze`] holds. What is below and was frozen by itself, such as a paused
    /// container in the container, stays so.
    ///
    /// # Errors
    /// [`Error::NoFreezer`]; [`Error::Os`].
    pub fn thaw(&self) -> Result<(), Error> {
        let place = self.freezer().ok_or(Error::NoFreezer)?;
        set(place, place.dir(), false)
    }

    /// Lets processes that got SIGKILL end: v1's freezer would hold them for ever. With v2 alone there is nothing to
    /// do.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn thaw_killed(&self) -> Result<(), Error> {
        self.of("freezer").map_or(Ok(()), thaw)
    }

    /// The hierarchy that can freeze: v1's freezer where it is mounted, which then holds more than v2's.
    pub(crate) fn freezer(&self) -> Option<&Place> {
        self.of("freezer").or_else(|| self.unified())
    }
}

/// Whether the directory itself was told to freeze. `false` where nothing can be frozen.
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn is_frozen(place: &Place) -> Result<bool, Error> {
    is_told(place, place.dir())
}

/// The same for a directory of the place's hierarchy.
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn is_told(place: &Place, dir: &str) -> Result<bool, Error> {
    let file = if place.is_v2() {
        "cgroup.freeze"
    } else if place.has("freezer") {
        "freezer.self_freezing"
    } else {
        return Ok(false);
    };
    match file::read(dir, file) {
        Ok(text) => Ok(text.trim_end() == "1"),
        Err(Error::Os { errno, .. }) if is_gone(errno) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tells the directory to freeze, and waits until it is. Says whether it is by the deadline.
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn hold(place: &Place, deadline: &Deadline) -> Result<bool, Error> {
    if place.is_v2() {
        set(place, place.dir(), true)?;
        events::wait_until(place, deadline, |text| events::has_line(text, "frozen 1"))
    } else {
        hold_v1(place, deadline)
    }
}

/// A state of `FREEZING` is tried again: the kernel tells only those processes to stop that are there at a write. No event
/// tells of `FROZEN`: poll(2) knows nothing of `freezer.state`.
fn hold_v1(place: &Place, deadline: &Deadline) -> Result<bool, Error> {
    let mut round = 0;
    loop {
        set(place, place.dir(), true)?;
        if file::read(place.dir(), "freezer.state")?.trim_end() == "FROZEN" {
            return Ok(true);
        }
        if deadline.is_over() {
            return Ok(false);
        }
        round += 1;
        if round % ROUND == 0 {
            set(place, place.dir(), false)?;
        }
        deadline.wait(&mut []).map_err(|errno| Error::os("wait for", place.dir(), errno))?;
    }
}

/// Lets the processes of the directory and of those below it go: each may have been frozen by itself.
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn thaw(place: &Place) -> Result<(), Error> {
    let (name, value) = command(place, false);
    tree::each(place.dir(), |directory| match directory.write(name, value) {
        Err(Error::Os { errno, .. }) if is_gone(errno) => Ok(()),
        other => other,
    })
}

fn set(place: &Place, dir: &str, frozen: bool) -> Result<(), Error> {
    let (name, value) = command(place, frozen);
    file::write(dir, name, value)
}

/// A file, and what to write to it.
fn command(place: &Place, frozen: bool) -> (&'static str, &'static str) {
    match (place.is_v2(), frozen) {
        (true, true) => ("cgroup.freeze", "1"),
        (true, false) => ("cgroup.freeze", "0"),
        (false, true) => ("freezer.state", "FROZEN"),
        (false, false) => ("freezer.state", "THAWED"),
    }
}
