//! Hooks that run in the container's namespaces.

use core::ffi::CStr;

use coble_plan::List;
use coble_sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{
    Access, AtFlags, CWD, MemfdFlags, Mode, OFlags, SeekFrom, accessat, fcntl_setfl, memfd_create,
    seek,
};
use coble_sys::rustix::io::{Errno, FdFlags, fcntl_setfd, pread, write};
use coble_sys::rustix::pipe::{PipeFlags, pipe_with};
use coble_sys::rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, pidfd_open, pidfd_send_signal, umask,
    waitid,
};
use coble_sys::rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use coble_sys::{close_from, execve, exit_group, fork, libc, sigprocmask};

use crate::bytes::Bytes;
use crate::fault::{During, Fault, Outcome};
use crate::program::Pointers;

/// A program with its state on standard input.
pub(crate) struct Hook<'a> {
    pub(crate) path: &'a CStr,
    pub(crate) args: List<'a>,
    pub(crate) env: List<'a>,
    /// A further variable.
    pub(crate) home: Option<&'a CStr>,
    /// umask(2).
    pub(crate) umask: u32,
    /// Milliseconds; 0 for no limit.
    pub(crate) timeout: u32,
    /// Descriptors of standard output and standard error; -1 for what is reported if the hook fails.
    pub(crate) streams: [i32; 2],
    pub(crate) state_head: &'a CStr,
    pub(crate) state_tail: &'a CStr,
}

/// [`coble_plan::Step::Hook`]
pub(crate) fn run_hook(hook: &Hook<'_>) -> Outcome {
    accessat(CWD, hook.path, Access::EXEC_OK, AtFlags::empty()).on("run", hook.path)?;
    let output = memfd_create(c"hook", MemfdFlags::CLOEXEC).during("memfd_create")?;
    let [stdout, stderr] = hook.streams;
    let (stdout, stderr) = (stream(stdout, &output)?, stream(stderr, &output)?);
    let stdin = state(hook)?;
    let args = Pointers::new(hook.args, None)?;
    let env = Pointers::new(hook.env, hook.home)?;
    // SAFETY: this process has one thread.
    let pid = unsafe { fork(libc::SIGCHLD as u64) }.during("clone")?;
    if pid == 0 {
        if dup2_stdin(&stdin).and(dup2_stdout(stdout)).and(dup2_stderr(stderr)).is_ok() {
            umask(Mode::from_raw_mode(hook.umask));
            let _ = sigprocmask(0);
            // SAFETY: nothing but the streams is used any more; the arrays end with a null pointer and point into the plan.
            unsafe {
                if close_from(3).is_ok() {
                    execve(hook.path, args.as_ptr(), env.as_ptr());
                }
            }
        }
        exit_group(127);
    }
    let pid = Pid::from_raw(pid).ok_or_else(|| Fault::words("clone gave no pid"))?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).during("pidfd_open")?;
    await_end(hook, pidfd.as_fd(), output.as_fd())
}

/// What a hook writes to. Nothing that runs later gets an inherited descriptor.
fn stream(number: i32, output: &OwnedFd) -> Outcome<BorrowedFd<'_>> {
    if number < 0 {
        return Ok(output.as_fd());
    }
    // SAFETY: the parent hands this descriptor down and the plan names it; it stays open until the exec.
    let inherited = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_setfd(inherited, FdFlags::CLOEXEC).during("fcntl")?;
    Ok(inherited)
}

/// The state to read, all of which is there: a hook that does not read it keeps nobody waiting. The program's limits are in
/// force before the last hooks run, and RLIMIT_FSIZE is about files, so it is one only where a pipe has no room.
fn state(hook: &Hook<'_>) -> Outcome<OwnedFd> {
    let mut pid = Bytes::<16>::new();
    pid.push_number(getpid().as_raw_nonzero().get() as u32)?;
    let parts = [hook.state_head.to_bytes(), pid.as_bytes(), hook.state_tail.to_bytes()];
    let (end, pipe) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).during("pipe2")?;
    match write_all(pipe.as_fd(), parts) {
        Ok(()) => {
            fcntl_setfl(&end, OFlags::empty()).during("fcntl")?;
            return Ok(end);
        }
        Err(Errno::AGAIN) => {}
        Err(errno) => return Err(errno).during("write"),
    }
    let file = memfd_create(c"state", MemfdFlags::CLOEXEC).during("memfd_create")?;
    write_all(file.as_fd(), parts).during("write")?;
    seek(&file, SeekFrom::Start(0)).during("lseek")?;
    Ok(file)
}

fn write_all(file: BorrowedFd<'_>, parts: [&[u8]; 3]) -> Result<(), Errno> {
    for mut part in parts {
        while !part.is_empty() {
            let length = write(file, part)?;
            part = &part[length..];
        }
    }
    Ok(())
}

fn await_end(hook: &Hook<'_>, pidfd: BorrowedFd<'_>, output: BorrowedFd<'_>) -> Outcome {
    let seconds = i64::from(hook.timeout / 1000);
    let limit = Timespec { tv_sec: seconds, tv_nsec: i64::from(hook.timeout % 1000) * 1_000_000 };
    let limit = (hook.timeout != 0).then_some(&limit);
    let timed_out = loop {
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], limit) {
            Ok(ready) => break ready == 0,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).during("poll"),
        }
    };
    if timed_out {
        pidfd_send_signal(pidfd, Signal::KILL).during("pidfd_send_signal")?;
    }
    let status = waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED)
        .during("waitid")?
        .ok_or_else(|| Fault::words("the hook has no status"))?;
    if timed_out {
        return Err(Fault::words("the hook ran longer than its timeout and was killed")
            .with(hook.path.to_bytes()));
    }
    if status.exit_status() == Some(0) {
        return Ok(());
    }
    let mut words = Bytes::<1024>::new();
    words.push(hook.path.to_bytes())?;
    match status.exit_status() {
        Some(code) => {
            words.push(b": exit status ")?;
            words.push_number(code as u32)?;
        }
        None => {
            words.push(b": killed by signal ")?;
            words.push_number(status.terminating_signal().unwrap_or(0) as u32)?;
        }
    }
    let mut said = [0; OUTPUT_MAX];
    let length = pread(output, &mut said, 0).during("pread")?;
    if length > 0 {
        words.push(b", output: ")?;
        // What does not fit beside a long path is left out.
        let _ = words.push(said[..length].trim_ascii());
    }
    Err(Fault::words("the hook failed").with(words.as_bytes()))
}

/// Bytes of a failed hook's output that are reported.
const OUTPUT_MAX: usize = 512;
