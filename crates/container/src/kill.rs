//! `kill`: sends a signal to a container.

use std::path::Path;

use coble_cgroup::Cgroup;
use coble_sys::pidfd_send_signal;
use coble_sys::rustix::event::Timespec;
use coble_sys::rustix::fd::AsFd;
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::{Error, ErrorKind, Result};
use crate::interrupt::Watch;
use crate::signal::Signal;
use crate::state::{Record, Status};
use crate::status::has_own_pids;
use crate::store::peek;

/// How long a process that was killed takes at most to end, if it has processor time.
const SOON: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Sends `signal` to the first process of the container `id`, or with `all` to each of its processes.
///
/// A paused container gets its signals once it is resumed, but SIGKILL at once.
///
/// SIGKILL of a container without a pid namespace of its own reaches all of them in any case: nothing else
/// would end the others.
///
/// # Errors
/// There is no such container, or (without `all`) it does not run. SIGKILL was sent, but something keeps the processes: where
/// that is waited for, for ten seconds, or known at once.
pub fn kill(root: &Path, id: &str, signal: Signal, all: bool) -> Result<()> {
    let (record, _) = peek(root, id)?;
    let is_for_all = all || (signal == Signal::KILL && !has_own_pids(&record.namespaces));
    if is_for_all && signal_all(&record, signal)? {
        return if signal == Signal::KILL { let_end(&record) } else { Ok(()) };
    }
    let Some(pidfd) = record.init.pidfd()? else {
        return if all { Ok(()) } else { Err(not_running(id)) };
    };
    match pidfd_send_signal(pidfd.as_fd(), signal.number()) {
        Ok(()) if signal == Signal::KILL => let_end(&record),
        Ok(()) => Ok(()),
        Err(Errno::SRCH) => Err(not_running(id)),
        Err(errno) => Err(Error::os("send the signal", errno)),
    }
}

/// A v1 freezer would keep a process that was killed.
fn let_end(record: &Record) -> Result<()> {
    let cgroup = Cgroup::from_record(&record.cgroup)?;
    cgroup.thaw_killed()?;
    match cgroup.frozen_above_for_good() {
        Some(above) => Err(Error::new(format!(
            "SIGKILL is sent, but container {} ends only once a cgroup above its own is thawed: {above}",
            record.id
        ))),
        None => Ok(()),
    }
}

/// The words that containerd and Docker look for.
fn not_running(id: &str) -> Error {
    let kind = ErrorKind::WrongStatus(Status::Stopped);
    Error::of(kind, format!("container not running: {id}"))
}

/// Signals each process of the container's cgroup. Says whether there was one.
fn signal_all(record: &Record, signal: Signal) -> Result<bool> {
    let cgroup = Cgroup::from_record(&record.cgroup)?;
    let pids = cgroup.procs()?;
    if signal == Signal::KILL && !pids.is_empty() {
        cgroup.kill()?;
        return Ok(true);
    }
    let mut held = Vec::new();
    for pid in pids.into_iter().filter_map(Pid::from_raw) {
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => held.push((pid.as_raw_nonzero().get(), pidfd)),
            Err(Errno::SRCH | Errno::INVAL) => {}
            Err(errno) => return Err(Error::os("pidfd_open", errno)),
        }
    }
    // A number that changed hands before it was held is not in the list any more.
    let still = cgroup.procs()?;
    held.retain(|(pid, _)| still.contains(pid));
    for (_, pidfd) in &held {
        match pidfd_send_signal(pidfd.as_fd(), signal.number()) {
            // It may have ended by now.
            Ok(()) | Err(Errno::SRCH) => {}
            Err(errno) => return Err(Error::os("send the signal", errno)),
        }
    }
    Ok(!held.is_empty())
}

/// Kills the first process and waits for its end.
///
/// # Errors
/// It doesn't end.
pub(crate) fn end(record: &Record) -> Result<()> {
    let Some(pidfd) = record.init.pidfd()? else { return Ok(()) };
    match pidfd_send_signal(pidfd.as_fd(), Signal::KILL.number()) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(errno) => return Err(Error::os("kill the container's process", errno)),
    }
    let cgroup = Cgroup::from_record(&record.cgroup)?;
    cgroup.thaw_killed()?;
    let has_ended = |patience| Watch::default().wait(pidfd.as_fd(), Some(patience));
    if has_ended(SOON)? {
        return Ok(());
    }
    cgroup.lift_quota();
    if has_ended(Watch::END)? {
        return Ok(());
    }
    let words = format!("container init still running: process {}", record.init.pid);
    Err(Error::new(match cgroup.hindrance() {
        why if why.is_empty() => words,
        why => format!("{words}, ten seconds after SIGKILL: {why}"),
    }))
}
