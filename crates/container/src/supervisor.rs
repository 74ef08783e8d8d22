//! Answers for a program's system calls as its profile does, and keeps account of them.

use std::fs;
use std::time::{Duration, Instant};

use coble_seccomp::{Action, Arch, Data};
use coble_sys::notification::{self, Notification};
use coble_sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::process::{Pid, PidfdFlags, pidfd_open};
use coble_sys::{libc, pidfd_send_signal};

use crate::error::{Error, Result};
use crate::executor::{Ended, reap};
use crate::hooks::Attend;
use crate::observe::{Denial, Observed, Watched};
use crate::tracer::Tracer;

/// Kinds of denied calls that are kept apart. A program can use any number.
const KINDS: usize = 4096;

/// The listener of a filter, and what came of it.
#[derive(Debug)]
pub(crate) struct Supervisor {
    listener: OwnedFd,
    /// Where calls that are let through are of interest, too.
    tracer: Option<Tracer>,
    watched: Watched,
    /// The container's first process.
    init: i32,
    observed: Observed,
    has_killed_init: bool,
    is_over: bool,
    ended: Option<Ended>,
    /// A child that is waited for, and how it has ended if it was taken away here.
    child: Option<(i32, Option<Ended>)>,
}

impl Supervisor {
    /// Begins with the executor, which is to become the container's first process.
    ///
    /// # Errors
    /// It can't be traced.
    pub(crate) fn begin(listener: OwnedFd, watched: Watched, init: i32) -> Result<Self> {
        let tracer = watched.seen.is_some().then(|| Tracer::begin(init)).transpose()?;
        Ok(Self {
            listener,
            tracer,
            watched,
            init,
            observed: Observed::default(),
            has_killed_init: false,
            is_over: false,
            ended: None,
            child: None,
        })
    }

    /// Attends to what is there, without waiting: the call that waits for an answer, and what has stopped.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn attend(&mut self) -> Result<()> {
        self.answer()?;
        if let (Some(tracer), Some(seen)) = (&self.tracer, &mut self.watched.seen) {
            let program = &self.watched.program;
            let see = |call: &Data| {
                program.answer(call).iter().for_each(|answer| seen.add(call, *answer))
            };
            let (init, ended, child) = (self.init, &mut self.ended, &mut self.child);
            let bury = |pid, how| match child {
                _ if pid == init => *ended = Some(how),
                Some((child, ended)) if pid == *child => *ended = Some(how),
                _ => {}
            };
            tracer.attend(see, bury)?;
        }
        Ok(())
    }

    /// What to wait for.
    pub(crate) fn watch(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let listener = (!self.is_over).then(|| self.listener.as_fd());
        listener.into_iter().chain(self.tracer.iter().flat_map(Tracer::watch))
    }

    /// Whether it takes away what has ended.
    pub(crate) fn is_tracing(&self) -> bool {
        self.tracer.is_some()
    }

    /// How the first process has ended, if that was found here.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.ended
    }

    fn answer(&mut self) -> Result<()> {
        let failed = |errno| Error::os("answer for a system call", errno);
        let mut asked = [PollFd::new(&self.listener, PollFlags::IN)];
        match poll(&mut asked, Some(&Timespec::default())) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(failed(errno)),
        }
        let asked = asked[0].revents();
        self.is_over = asked.contains(PollFlags::HUP);
        if !asked.contains(PollFlags::IN) {
            return Ok(());
        }
        let call = match notification::notification(self.listener.as_fd()) {
            Ok(call) => call,
            // Its thread was killed.
            Err(Errno::NOENT | Errno::INTR) => return Ok(()),
            Err(errno) => return Err(failed(errno)),
        };
        let arch = Arch::told(call.arch, call.number);
        let data = arch.map(|arch| Data { arch, number: call.number, args: call.args });
        let action = data.and_then(|data| self.watched.program.answer(&data));
        // A call of an architecture that nobody knows.
        let action = action.unwrap_or(Action::KILL_THREAD);
        if let (Some(seen), Some(data)) = (&mut self.watched.seen, &data)
            && !action.is_kill()
        {
            seen.add(data, action);
        }
        if action.is_denial() {
            self.count(&call, arch, action);
        }
        let listener = self.listener.as_fd();
        let answered = match action.errno() {
            Some(errno) => notification::refuse(listener, call.id, errno.cast_signed()),
            None if action.is_kill() => {
                self.has_killed_init |= end(listener, &call, self.init);
                notification::refuse(listener, call.id, libc::ENOSYS)
            }
            None => notification::let_through(listener, call.id),
        };
        match answered {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// The status with which the first process would have ended without this: where it was killed in the kernel's place,
    /// the kernel would have done it with SIGSYS.
    pub(crate) fn status(&self, ended: Ended) -> u8 {
        match ended.signal {
            Some(libc::SIGKILL) if self.has_killed_init => {
                Ended { exited: None, signal: Some(libc::SIGSYS) }.status()
            }
            _ => ended.status(),
        }
    }

    /// What was found out.
    pub(crate) fn finish(mut self) -> Observed {
        let section = &self.watched.section;
        self.observed.profile = self.watched.seen.map(|seen| seen.narrowed(section));
        self.observed
    }

    fn count(&mut self, call: &Notification, arch: Option<Arch>, action: Action) {
        let (denied, number) = (&mut self.observed.denied, call.number);
        let is_same = |one: &Denial| (one.arch, one.number, one.action) == (arch, number, action);
        match denied.iter().position(is_same) {
            Some(same) => denied[same].count += 1,
            None if denied.len() == KINDS => self.observed.others += 1,
            None => denied.push(Denial {
                arch,
                number,
                action,
                count: 1,
                args: call.args,
                pid: call.pid,
                process: name_of(self.listener.as_fd(), call),
            }),
        }
    }
}

impl Attend for Supervisor {
    fn await_child(
        &mut self,
        pid: i32,
        pidfd: BorrowedFd<'_>,
        limit: Option<Timespec>,
    ) -> Result<Option<Ended>> {
        let limit = limit.and_then(|limit| Duration::try_from(limit).ok());
        let end = limit.and_then(|limit| Instant::now().checked_add(limit));
        self.child = Some((pid, None));
        loop {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let mut watched = vec![PollFd::new(&pidfd, PollFlags::IN)];
            let others: Vec<_> = self.watch().collect();
            watched.extend(others.iter().map(|other| PollFd::new(other, PollFlags::IN)));
            let count = match poll(&mut watched, left.as_ref()) {
                Err(Errno::INTR) => continue,
                count => count.map_err(|errno| Error::os("poll", errno))?,
            };
            if !watched[0].revents().is_empty() {
                let (_, ended) = self.child.take().unwrap_or_default();
                return ended.map_or_else(|| reap(pidfd), Ok).map(Some);
            }
            if count == 0 {
                self.child = None;
                return Ok(None);
            }
            self.attend()?;
        }
    }
}

/// The name of the thread that waits. Its number is its own as long as it does.
fn name_of(listener: BorrowedFd<'_>, call: &Notification) -> String {
    let name = fs::read(format!("/proc/{}/comm", call.pid)).unwrap_or_default();
    match notification::is_waiting(listener, call.id) {
        true => String::from_utf8_lossy(name.trim_ascii_end()).into_owned(),
        false => String::new(),
    }
}

/// Ends the process that makes the call, as the kernel would: with SIGSYS, or where that wouldn't end it with SIGKILL. Says
/// whether it was the container's first process, and SIGKILL.
fn end(listener: BorrowedFd<'_>, call: &Notification, init: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", call.pid)).unwrap_or_default();
    let Some(process) = field(&status, "Tgid:", 10).and_then(|pid| Pid::from_raw(pid as i32))
    else {
        return false;
    };
    let Ok(pidfd) = pidfd_open(process, PidfdFlags::empty()) else { return false };
    if !notification::is_waiting(listener, call.id) {
        return false;
    }
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let is_first = pids.split_ascii_whitespace().next_back() == Some("1");
    const SIGSYS: u64 = 1 << (libc::SIGSYS - 1);
    let has = |name| field(&status, name, 16).is_none_or(|set| set & SIGSYS != 0);
    let would_end = !is_first && !has("SigBlk:") && !has("SigIgn:") && !has("SigCgt:");
    let signal = if would_end { libc::SIGSYS } else { libc::SIGKILL };
    // It may have ended by now.
    let _ = pidfd_send_signal(pidfd.as_fd(), signal);
    !would_end && process.as_raw_nonzero().get() == init
}

/// A number of `/proc/PID/status`.
fn field(status: &str, name: &str, radix: u32) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    u64::from_str_radix(line.trim(), radix).ok()
}
