//! The fifo on which a container of runc waits for `start`.
//!
//! Its first process opens it for writing, which lasts until somebody reads; then it writes one byte and goes on.
//! Whoever reads that byte removes the fifo, and the container counts as started.

use std::ffi::CStr;

use coble_cgroup::Cgroup;
use coble_sys::rustix::event::Timespec;
use coble_sys::rustix::fd::{AsFd, BorrowedFd};
use coble_sys::rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use coble_sys::rustix::io::{Errno, read};

use crate::error::{Error, ErrorKind, Result};
use crate::init::Init;
use crate::interrupt::Watch;
use crate::rendezvous::{PATIENCE, refuse_held};
use crate::state::Status;

/// Its name in the container's directory.
pub(crate) const FIFO: &CStr = c"exec.fifo";

/// Lets the container go on whose first process is `init`.
///
/// # Errors
/// Its first process has ended, or somebody else has started it meanwhile.
pub(crate) fn release(directory: BorrowedFd<'_>, init: Init, cgroup: &Cgroup) -> Result<()> {
    let refused = |status, words: &str| Error::of(ErrorKind::WrongStatus(status), words);
    let ended = || refused(Status::Stopped, "cannot start a container that has stopped");
    let started = || refused(Status::Running, "cannot start an already running container");
    let pidfd = init.pidfd()?.ok_or_else(ended)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let failed = |errno| Error::at("open", "exec.fifo", errno);
    let fifo = openat(directory, FIFO, flags, Mode::empty()).map_err(failed)?;
    if FileType::from_raw_mode(fstat(&fifo).map_err(failed)?.st_mode) != FileType::Fifo {
        return Err(Error::new("exec.fifo: not a fifo"));
    }
    let watch = Watch { interrupt: None, process: Some(pidfd.as_fd()) };
    let patience = Timespec::try_from(PATIENCE).ok();
    while !watch.wait(fifo.as_fd(), patience)? {
        refuse_held(cgroup)?;
    }
    match read(&fifo, &mut [0; 1]) {
        Ok(0) | Err(Errno::AGAIN) => Err(started()),
        Ok(_) => Ok(()),
        Err(errno) => Err(Error::at("read", "exec.fifo", errno)),
    }
}
