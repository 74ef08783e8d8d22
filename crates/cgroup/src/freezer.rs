//! Whether a cgroup's processes are held, and how to hold them and let them go.

use crate::error::is_gone;
use crate::place::Place;
use crate::{Cgroup, Error, file, processes};

impl Cgroup {
    /// Whether the container is paused, or about to be: its own cgroup was told to freeze. One above it may
    /// hold it too, which is not the container's state.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn frozen(&self) -> Result<bool, Error> {
        self.freezer().map_or(Ok(false), is_frozen)
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
    let file = if place.is_v2() {
        "cgroup.freeze"
    } else if place.has("freezer") {
        "freezer.self_freezing"
    } else {
        return Ok(false);
    };
    match file::read(place.dir(), file) {
        Ok(text) => Ok(text.trim_end() == "1"),
        Err(Error::Os { errno, .. }) if is_gone(errno) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Tells the directory to freeze. It may take a while until all its processes are held.
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn freeze(place: &Place) -> Result<(), Error> {
    set(place, place.dir(), true)
}

/// Lets the processes of the directory and of those below it go: each may have been frozen by itself.
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn thaw(place: &Place) -> Result<(), Error> {
    for dir in processes::tree(place.dir())? {
        match set(place, &dir, false) {
            Err(Error::Os { errno, .. }) if is_gone(errno) => {}
            other => other?,
        }
    }
    Ok(())
}

fn set(place: &Place, dir: &str, frozen: bool) -> Result<(), Error> {
    match (place.is_v2(), frozen) {
        (true, true) => file::write(dir, "cgroup.freeze", "1"),
        (true, false) => file::write(dir, "cgroup.freeze", "0"),
        (false, true) => file::write(dir, "freezer.state", "FROZEN"),
        (false, false) => file::write(dir, "freezer.state", "THAWED"),
    }
}
