//! Takes the directories away.

use std::ffi::CStr;

use coble_sys::rustix::event::{PollFd, PollFlags};
use coble_sys::rustix::fd::BorrowedFd;
use coble_sys::rustix::fs::{self, AtFlags, CWD};
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::path::Arg;

use crate::deadline::Deadline;
use crate::error::is_gone;
use crate::place::Place;
use crate::{Cgroup, Error, events, kill, processes, systemd, tree};

/// Processes whose ends are watched at a time: each takes a descriptor.
const WATCHED: usize = 64;

impl Cgroup {
    /// Removes the cgroup and those below it in every hierarchy, and the directories above it that this
    /// very object has made, unless somebody uses them. Waits up to ten seconds for processes that are
    /// dying; see [`Cgroup::kill`]. A unit of systemd is stopped, and waited for. What isn't there needs no removing.
    ///
    /// # Errors
    /// [`Error::Busy`] if processes are left; [`Error::Os`]. The other hierarchies are cleared all the same.
    pub fn remove(&self) -> Result<(), Error> {
        let deadline = Deadline::start();
        let mut result = self.remove_unit(&deadline);
        if matches!(result, Err(Error::Busy { .. })) {
            return result;
        }
        for place in self.unit_places() {
            result = result.and(self.remove_in(&place, &deadline));
        }
        result
    }

    /// systemd would end processes that are left; they are not to be ended here.
    fn remove_unit(&self, deadline: &Deadline) -> Result<(), Error> {
        let Some(unit) = &self.unit else { return Ok(()) };
        let is_there = |place: &&Place| fs::stat(place.dir()).is_ok();
        let places = self.unit_places();
        let mut there = places.iter().filter(is_there);
        there.try_for_each(|place| self.wait_until_empty(place, deadline))?;
        systemd::stop(unit)
    }

    fn remove_in(&self, place: &Place, deadline: &Deadline) -> Result<(), Error> {
        if !rmdir(CWD, place.dir(), place)? {
            self.wait_until_empty(place, deadline)?;
            let clear = |above: BorrowedFd<'_>, name: &CStr| {
                self.remove_empty(|| rmdir(above, name, place), place, deadline)
            };
            tree::leave_below(place.dir(), clear)?;
            self.remove_empty(|| rmdir(CWD, place.dir(), place), place, deadline)?;
        }
        remove_parents(place);
        Ok(())
    }

    /// Removes a directory whose last process has ended. The kernel may not be done with that yet, and no event tells when it
    /// is: v1 has nothing but a release agent, which is the host's, and v2's `populated 0` has come.
    fn remove_empty(
        &self,
        remove: impl Fn() -> Result<bool, Error>,
        place: &Place,
        deadline: &Deadline,
    ) -> Result<(), Error> {
        while !remove()? {
            if deadline.is_over() {
                return Err(self.busy(place)?);
            }
            deadline.wait(&mut []).map_err(|errno| Error::os("wait for", place.dir(), errno))?;
        }
        Ok(())
    }

    fn wait_until_empty(&self, place: &Place, deadline: &Deadline) -> Result<(), Error> {
        let is_empty =
            if place.is_v2() { await_event(place, deadline) } else { await_ends(place, deadline) };
        if is_empty? { Ok(()) } else { Err(self.busy(place)?) }
    }

    fn busy(&self, place: &Place) -> Result<Error, Error> {
        let count = processes::list(place)?.len();
        let why = self.hindrance_in(place);
        Ok(Error::Busy { path: place.dir().to_owned(), count, why })
    }
}

/// Takes back what [`Cgroup::create`] has made in one hierarchy, as far as it is not in use.
pub(crate) fn undo(place: &Place) {
    if place.is_fresh {
        let _ = fs::rmdir(place.dir());
    }
    remove_parents(place);
}

fn remove_parents(place: &Place) {
    for dir in place.ancestors().take(place.parents_made) {
        if fs::rmdir(dir).is_err() {
            return;
        }
    }
}

/// Whether the directory of the place, or one below it, is gone now; it is not while it has processes or children.
fn rmdir(at: BorrowedFd<'_>, path: impl Arg + Copy, place: &Place) -> Result<bool, Error> {
    match fs::unlinkat(at, path, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::BUSY | Errno::NOTEMPTY) => Ok(false),
        // A read-only mount says so about what isn't there as well.
        Err(_) if matches!(fs::statat(at, path, AtFlags::empty()), Err(Errno::NOENT)) => Ok(true),
        Err(errno) => Err(Error::os("remove the cgroup", place.dir(), errno)),
    }
}

/// v1 tells of no event, so it is asked again whenever one of the processes has ended.
fn await_ends(place: &Place, deadline: &Deadline) -> Result<bool, Error> {
    loop {
        let pids = processes::list(place)?;
        if pids.is_empty() || deadline.is_over() {
            return Ok(pids.is_empty());
        }
        let ends: Vec<_> = pids.into_iter().take(WATCHED).filter_map(kill::open).collect();
        let mut fds: Vec<_> = ends.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        deadline.wait(&mut fds).map_err(|errno| Error::os("wait for", place.dir(), errno))?;
    }
}

/// `cgroup.events` says `populated 0` once neither the cgroup nor one below it has a process.
fn await_event(place: &Place, deadline: &Deadline) -> Result<bool, Error> {
    match events::wait_until(place, deadline, |text| !events::has_line(text, "populated 1")) {
        Err(Error::Os { errno, .. }) if is_gone(errno) => Ok(true),
        outcome => outcome,
    }
}
