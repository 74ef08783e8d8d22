//! SIGKILL to all of a cgroup.

use std::time::Duration;

use coble_sys::rustix::event::{PollFd, PollFlags};
use coble_sys::rustix::fd::OwnedFd;
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use coble_sys::without;

use crate::deadline::Deadline;
use crate::{Cgroup, Error, file, freezer};

/// Processes that are killed at a time: each takes a descriptor.
const AT_ONCE: usize = 256;
/// How long to wait until the processes are held that are to be killed. One that can't be in that time is in a system call
/// that doesn't end, and forks no more than those that are.
const HOLD: Duration = Duration::from_millis(100);

impl Cgroup {
    /// Kills every process of the cgroup and of those below it, frozen ones too. Where the kernel has
    /// `cgroup.kill` (Linux 5.14, v2) that is one write, after which the processes are dying; elsewhere it
    /// waits until they are gone. A cgroup that is gone has nothing to kill.
    ///
    /// # Errors
    /// [`Error::Os`]; [`Error::Busy`] if some are still there after ten seconds.
    pub fn kill(&self) -> Result<(), Error> {
        if self.kill_at_once()? {
            self.lift_quota();
            return Ok(());
        }
        let deadline = Deadline::start();
        self.lift_quota();
        loop {
            if let Some(place) = self.freezer() {
                // Held processes can't fork. Where they can't be held it takes more rounds.
                let _ = freezer::hold(place, &Deadline::within(HOLD));
            }
            let dying = self.kill_each()?;
            if let Some(place) = self.freezer() {
                freezer::thaw(place)?; // v1 lets a frozen process die only then
            }
            let mut fds: Vec<_> = dying.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            deadline.wait(&mut fds).map_err(|errno| Error::os("wait for", self.name(), errno))?;
            let left = self.procs()?.len();
            if left == 0 {
                return Ok(());
            }
            if deadline.is_over() {
                return Err(Error::Busy { path: self.name(), count: left, why: self.hindrance() });
            }
        }
    }

    /// Takes away the quota of processor time, for processes that got SIGKILL: their end takes some, and may take long
    /// with next to none. Where there is no quota, or it stands above, nothing changes.
    pub fn lift_quota(&self) {
        let (place, file, value) = match self.of("cpu") {
            Some(place) => (Some(place), "cpu.cfs_quota_us", "-1"),
            None => (self.unified(), "cpu.max", "max"),
        };
        let _ = place.map_or(Ok(()), |place| file::write(place.dir(), file, value));
    }

    /// `cgroup.kill`; whether there is such a file.
    fn kill_at_once(&self) -> Result<bool, Error> {
        let Some(place) = self.unified() else { return Ok(false) };
        if without("cgroup_kill") {
            return Ok(false);
        }
        match file::write(place.dir(), "cgroup.kill", "1") {
            Ok(()) => {}
            // Older kernels don't have it, threaded cgroups don't take it.
            Err(Error::Os { errno: Errno::NOENT | Errno::NODEV | Errno::OPNOTSUPP, .. }) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        if let Some(place) = self.of("freezer") {
            freezer::thaw(place)?;
        }
        Ok(true)
    }

    /// Sends SIGKILL to each process that is there now; some of them as descriptors that tell when they
    /// have ended.
    fn kill_each(&self) -> Result<Vec<OwnedFd>, Error> {
        let mut dying = Vec::new();
        for pids in self.procs()?.chunks(AT_ONCE) {
            dying.clear();
            let opened: Vec<_> = pids.iter().filter_map(|&pid| Some((pid, open(pid)?))).collect();
            // A number that is still in the list now has been in the cgroup's hands since before it was
            // opened.
            let still = self.procs()?;
            for (pid, fd) in opened {
                if still.contains(&pid) && pidfd_send_signal(&fd, Signal::KILL).is_ok() {
                    dying.push(fd);
                }
            }
        }
        Ok(dying)
    }

    /// For errors that are about the whole cgroup.
    pub(crate) fn name(&self) -> String {
        self.places.first().map_or("none", |place| place.dir()).to_owned()
    }
}

/// A pidfd; none if the process has ended meanwhile.
pub(crate) fn open(pid: i32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}
