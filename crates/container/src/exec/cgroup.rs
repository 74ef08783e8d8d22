//! The cgroup of an exec'ed process.

use coble_cgroup::Cgroup;
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{CWD, Mode, OFlags, openat};
use coble_sys::rustix::io::Errno;

use crate::error::{Error, Result};
use crate::state::Record;

const NOT_ADDED: &str = "error adding pid of the process to cgroups";

/// Where a process has been started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Started {
    /// In its cgroup v2 directory, if there is one.
    Inside,
    /// In the caller's, behind a gate: [`Cgroup::attach`] has to come next.
    Outside,
}

/// Starts the process by `start` in the cgroup v2 directory of `cgroup`, if there is one. Where nobody has said which
/// cgroup it is to be, it is that of the container's first process at the latest. `start` is told where, and makes a
/// gate for a process outside.
///
/// # Errors
/// The directory can't be opened; those of `start`.
pub(super) fn start_in<T>(
    cgroup: &Cgroup,
    record: &Record,
    is_said: bool,
    start: impl Fn(Option<BorrowedFd<'_>>, Started) -> Result<T>,
) -> Result<(T, Started)> {
    let inside = |directory: Option<BorrowedFd<'_>>| {
        start(directory, Started::Inside).map(|started| (started, Started::Inside))
    };
    // With v1 it is one cgroup among many, in the words of the others.
    let what = if is_said && cgroup.needs_enter() { NOT_ADDED } else { "can't open cgroup" };
    let directory = cgroup.fd().map_err(|error| Error::from(error).within(what));
    let error = match directory.and_then(inside) {
        Err(error) if error.errno() == Some(Errno::ACCESS) && cgroup.can_attach() => {
            return start(None, Started::Outside).map(|started| (started, Started::Outside));
        }
        Err(error) if matches!(error.errno(), Some(Errno::BUSY | Errno::NOENT)) => error,
        started => return started,
    };
    if is_said {
        let clones = error.errno() == Some(Errno::BUSY);
        return Err(if clones { error.within(NOT_ADDED) } else { error });
    }
    // The container has made cgroups of its own and gone there, or somebody has moved it.
    match own_of(cgroup, record)? {
        Some(directory) => inside(Some(directory.as_fd())),
        None => Err(error),
    }
}

/// Puts a process that is started into the v1 directories.
///
/// # Errors
/// A directory that is not there, or that takes no process.
pub(super) fn enter(cgroup: &Cgroup, pid: i32) -> Result<()> {
    let is_cloned_into = cgroup.dir().is_some();
    cgroup
        .enter(pid, is_cloned_into)
        .map_err(|error| Error::from(error).within(&format!("error adding pid {pid} to cgroups")))
}

/// The cgroup in which the container's first process is, with cgroup v2 alone.
fn own_of(cgroup: &Cgroup, record: &Record) -> Result<Option<OwnedFd>> {
    if cgroup.needs_enter() {
        return Ok(None);
    }
    let path = format!("/proc/{}/cgroup", record.init.pid);
    let text = std::fs::read_to_string(&path).map_err(|error| Error::at("read", &path, error))?;
    // The kernel tells of v1 hierarchies, too, that are mounted nowhere.
    let Some(own) = text.lines().find_map(|line| line.strip_prefix("0::")) else {
        return Ok(None);
    };
    let directory = format!("/sys/fs/cgroup{own}");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = openat(CWD, &directory, flags, Mode::empty())
        .map_err(|errno| Error::at("open", &directory, errno))?;
    // The number may have changed hands before its file was read.
    Ok(record.init.is_alive()?.then_some(fd))
}
