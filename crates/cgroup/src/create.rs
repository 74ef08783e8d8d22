//! Makes the directories.

use coble_sys::rustix::fs::{self, Mode};
use coble_sys::rustix::io::Errno;

use crate::place::Place;
use crate::{Cgroup, Error, cpuset, freezer, processes, remove, subtree};

/// Another runtime may take a parent away between our making it and our using it; it won't do so for ever.
const TRIES: usize = 16;

/// What [`Cgroup::create`] could do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// Every directory is there.
    Done,
    /// Some can't be had for want of rights, and that was allowed. They are forgotten: there the container
    /// stays where its parent process is, and a limit for them will be refused.
    NoPermission,
}

impl Cgroup {
    /// Makes the cgroup in each hierarchy and enables its controllers (v2), or gives its parents processors
    /// and memory nodes (v1 cpuset). If it fails, what it made is taken away again.
    ///
    /// One that systemd is to make is only looked at: [`Cgroup::start_unit`] makes it.
    ///
    /// With `rootless` a hierarchy that can't be written to, or where this process's own cgroup is not in sight, is
    /// left out, unless the configuration named a path.
    ///
    /// # Errors
    /// [`Error::NotEmpty`] or [`Error::Frozen`] for a cgroup that is in use already; [`Error::FrozenAbove`];
    /// [`Error::Os`].
    pub fn create(&mut self, rootless: bool) -> Result<Creation, Error> {
        if self.unit.is_some() {
            return self.expect_unit();
        }
        let may_lack = rootless && !self.is_explicit;
        let mut creation = match &self.missing {
            None => Creation::Done,
            Some(_) if may_lack => Creation::NoPermission,
            Some(error) => return Err(error.clone()),
        };
        let mut index = 0;
        while index < self.places.len() {
            match make(&mut self.places[index]) {
                Ok(()) => index += 1,
                Err(error) if may_lack && error.is_permission() => {
                    remove::undo(&self.places.remove(index));
                    creation = Creation::NoPermission;
                }
                Err(error) => {
                    self.places[..=index].iter().for_each(remove::undo);
                    return Err(error);
                }
            }
        }
        self.refuse_frozen_above().inspect_err(|_| self.places.iter().for_each(remove::undo))?;
        Ok(creation)
    }

    /// systemd will make it, unless it is there and in use.
    fn expect_unit(&self) -> Result<Creation, Error> {
        let is_there = |place: &&Place| fs::stat(place.dir()).is_ok();
        self.unit_places().iter().filter(is_there).try_for_each(refuse_used)?;
        Ok(Creation::Done)
    }
}

fn make(place: &mut Place) -> Result<(), Error> {
    make_directory(place)?;
    if !place.is_fresh {
        refuse_used(place)?;
    }
    if place.is_v2() {
        subtree::enable(place)
    } else if place.has("cpuset") {
        cpuset::fill_parents(place)
    } else {
        Ok(())
    }
}

/// The directory is mostly all that is missing, so it is tried first.
fn make_directory(place: &mut Place) -> Result<(), Error> {
    for _ in 0..TRIES {
        match mkdir(place.dir()) {
            Ok(is_made) => {
                place.is_fresh = is_made;
                return Ok(());
            }
            Err(Errno::NOENT) => make_parents(place)?,
            Err(errno) => return Err(Error::os("make the cgroup", place.dir(), errno)),
        }
    }
    Err(Error::os("make the cgroup", place.dir(), Errno::NOENT))
}

fn make_parents(place: &mut Place) -> Result<(), Error> {
    let mut made = 0;
    let parents: Vec<&str> = place.ancestors().collect();
    // The last one is the mount point.
    for dir in parents.iter().rev().skip(1) {
        match mkdir(dir) {
            Ok(is_made) => made += usize::from(is_made),
            Err(Errno::NOENT) => break, // taken away behind us
            Err(errno) => return Err(Error::os("make the cgroup", *dir, errno)),
        }
    }
    place.parents_made = place.parents_made.max(made);
    Ok(())
}

/// Whether the directory was not there before.
fn mkdir(dir: &str) -> Result<bool, Errno> {
    match fs::mkdir(dir, Mode::from_raw_mode(0o755)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// A cgroup that was there before is as good as a new one as long as nothing runs in it, or ever will.
fn refuse_used(place: &Place) -> Result<(), Error> {
    let count = processes::list(place)?.len();
    if count > 0 {
        return Err(Error::NotEmpty(count));
    }
    if freezer::is_frozen(place)? {
        return Err(Error::Frozen);
    }
    Ok(())
}
