//! The processes of a cgroup, and how one gets in.

use coble_sys::rustix::io::Errno;

use crate::error::is_gone;
use crate::place::Place;
use crate::tree::{self, Directory};
use crate::{Cgroup, Error, file};

const PROCS: &str = "cgroup.procs";
/// A process id in decimal digits.
type Decimal = String;

impl Cgroup {
    /// Whether [`Cgroup::enter`] has to be called even if clone3(2) has put the process into the v2
    /// directory.
    pub fn needs_enter(&self) -> bool {
        !self.legacy().is_empty()
    }

    /// Puts a process into the cgroup. `is_cloned_into` says that clone3(2) has already put it into the v2
    /// directory.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn enter(&self, pid: i32, is_cloned_into: bool) -> Result<(), Error> {
        let places = if is_cloned_into { self.legacy() } else { &self.places };
        let pid: Decimal = pid.to_string();
        places.iter().try_for_each(|place| file::write(place.dir(), PROCS, &pid))
    }

    /// The ids of all processes of the cgroup and those below it, as this process's pid namespace has them;
    /// those that are not in it are left out. None if the cgroup is gone.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn procs(&self) -> Result<Vec<i32>, Error> {
        self.main_place().map_or(Ok(Vec::new()), list)
    }

    /// The directory that tells about processes: that of v2, or of a v1 controller that a container can't
    /// do without.
    pub(crate) fn main_place(&self) -> Option<&Place> {
        self.unified()
            .or_else(|| self.of("devices"))
            .or_else(|| self.of("freezer"))
            .or_else(|| self.places.first())
    }
}

/// The processes of one hierarchy's directory and those below it; none if it is gone.
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn list(place: &Place) -> Result<Vec<i32>, Error> {
    let mut pids = Vec::new();
    tree::each(place.dir(), |directory| append(directory, &mut pids))?;
    Ok(pids)
}

fn append(directory: &Directory<'_>, pids: &mut Vec<i32>) -> Result<(), Error> {
    let text = match directory.read_all(PROCS) {
        // In a threaded cgroup there are threads, but no processes.
        Err(Error::Os { errno: Errno::OPNOTSUPP, .. }) => directory.read_all("cgroup.threads"),
        other => other,
    };
    let text = match text {
        Err(Error::Os { errno, .. }) if is_gone(errno) => return Ok(()),
        other => other?,
    };
    let numbers =
        text.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    // The kernel writes 0 for a process outside of the pid namespace.
    pids.extend(numbers.filter_map(|line| line.parse::<i32>().ok()).filter(|&pid| pid > 0));
    Ok(())
}
