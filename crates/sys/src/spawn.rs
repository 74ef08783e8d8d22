//! A child that goes straight on to another program, in new namespaces and in a cgroup.

use core::ffi::{CStr, c_char};
use core::mem::MaybeUninit;
use core::ptr::null;

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::fs::{CWD, Gid, Mode, OFlags, PROC_SUPER_MAGIC, RawDir, Uid, fstatfs, openat};
use rustix::io::{Errno, FdFlags, Result, close, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::{RecvFlags, recv};
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};

use crate::clone3::{Child, clone3};
use crate::{
    close_range, close_range_cloexec, execve, exit_group, fexecve, sigaction_default, sigprocmask,
};

/// The status with which the child ends when it can't run the program.
pub const SPAWN_FAILED: i32 = 126;

/// Arguments that a spawned program can have.
const ARGUMENTS_MAX: usize = 31;

/// The highest signal, signal(7).
const SIGNALS: i32 = 64;

/// A program to run.
#[derive(Clone, Copy, Debug)]
pub enum Program<'a> {
    /// An open file.
    Open(BorrowedFd<'a>),
    /// An absolute path.
    At(&'a CStr),
}

/// What to spawn.
#[derive(Clone, Copy, Debug)]
pub struct Spawn<'a> {
    /// `CLONE_NEW*` bits.
    pub namespaces: u64,
    /// The cgroup v2 directory that the child starts in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// The program, which gets an empty environment.
    pub program: Program<'a>,
    /// Its arguments; at most 31.
    pub arguments: &'a [&'a CStr],
    /// The first descriptor of the caller that it does not get; those below stay as they are.
    pub close_from: u32,
    /// Descriptors that it gets all the same, under their own numbers.
    pub keep: &'a [BorrowedFd<'a>],
    /// Its standard input, output and error in place of the caller's.
    pub streams: [Option<BorrowedFd<'a>>; 3],
    /// A socket from which one byte must come before the child goes on; it ends when the socket is closed. If
    /// the child is in a new user namespace it then becomes that namespace's user and group 0. Without a gate
    /// the call returns only once the program has been started.
    pub gate: Option<BorrowedFd<'a>>,
    /// Whether it serves the caller: it is killed when the calling thread ends (unless it changes its user), no signal of
    /// the caller's terminal reaches it, and its signals have their default actions and are not blocked.
    pub attends: bool,
}

/// What the child needs, on the parent's stack.
struct Preamble<'a> {
    spawn: &'a Spawn<'a>,
    arguments: [*const c_char; ARGUMENTS_MAX + 1],
    /// The caller, where the child serves it.
    attended: Option<Pid>,
}

impl Spawn<'_> {
    /// Makes the child. Every signal is blocked in it, but for one that attends.
    ///
    /// It is sound in a process with many threads: the child makes system calls only.
    ///
    /// # Errors
    /// As clone3(2). A program that can't be run shows as the child's exit with [`SPAWN_FAILED`].
    pub fn spawn(&self) -> Result<Child> {
        debug_assert!(self.arguments.len() <= ARGUMENTS_MAX, "they are cut off");
        let arguments = [null(); ARGUMENTS_MAX + 1];
        let attended = self.attends.then(getpid);
        let mut preamble = Preamble { spawn: self, arguments, attended };
        for (slot, argument) in preamble.arguments[..ARGUMENTS_MAX].iter_mut().zip(self.arguments) {
            *slot = argument.as_ptr();
        }
        let sharing = match self.gate {
            None => (libc::CLONE_VM | libc::CLONE_VFORK) as u64,
            Some(_) => 0,
        };
        let mut stack = [MaybeUninit::<u8>::uninit(); 16384];
        let blocked = sigprocmask(u64::MAX)?;
        // SAFETY: `begin` makes system calls only. With CLONE_VM the parent is suspended until the child is
        // done with this frame, and every signal is blocked.
        let child =
            unsafe { clone3(self.namespaces | sharing, self.cgroup, &mut stack, begin, &preamble) };
        sigprocmask(blocked)?;
        child
    }
}

extern "C" fn begin(preamble: *const Preamble<'_>) -> ! {
    // SAFETY: the parent's frame is there: its memory is shared while the parent waits, or copied.
    let preamble = unsafe { &*preamble };
    let spawn = preamble.spawn;
    let attends = preamble.attended.is_none_or(|parent| attend(parent).is_some());
    if attends && pass_gate(spawn).is_some() {
        let environment = [null::<c_char>()];
        let (arguments, environment) = (preamble.arguments.as_ptr(), environment.as_ptr());
        match spawn.program {
            // SAFETY: both arrays end with a null pointer; the strings are the parent's.
            Program::Open(file) => unsafe { fexecve(file, arguments, environment) },
            // SAFETY: as above.
            Program::At(path) => unsafe { execve(path, arguments, environment) },
        };
    }
    exit_group(SPAWN_FAILED)
}

/// Before signals are let through, none may lead to a handler of the parent, whose memory is shared.
fn attend(parent: Pid) -> Option<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).ok()?;
    // It may have ended before, which nothing tells any more.
    if getppid() != Some(parent) {
        return None;
    }
    setsid().ok()?;
    let caught = |signal: &i32| !matches!(*signal, libc::SIGKILL | libc::SIGSTOP);
    (1..=SIGNALS).filter(caught).try_for_each(sigaction_default).ok()?;
    sigprocmask(0).ok().map(drop)
}

fn pass_gate(spawn: &Spawn<'_>) -> Option<()> {
    set_streams(spawn.streams).ok()?;
    if spawn.gate.is_some() || close_range_cloexec(spawn.close_from).is_err() {
        close_others(spawn).ok()?;
    }
    if let Some(gate) = spawn.gate {
        let (received, _) = recv(gate, &mut [0u8], RecvFlags::empty()).ok()?;
        if received != 1 {
            return None;
        }
    }
    if spawn.namespaces & libc::CLONE_NEWUSER as u64 != 0 {
        let (uid, gid) = (Some(Uid::ROOT), Some(Gid::ROOT));
        set_thread_res_gid(gid, gid, gid).ok()?;
        set_thread_res_uid(uid, uid, uid).ok()?;
    }
    for descriptor in spawn.keep {
        fcntl_setfd(descriptor, FdFlags::empty()).ok()?;
    }
    Some(())
}

/// Copies come first: one stream may have the number that is another's place.
fn set_streams(streams: [Option<BorrowedFd<'_>>; 3]) -> Result<()> {
    let copy =
        |stream: Option<BorrowedFd<'_>>| stream.map(|fd| fcntl_dupfd_cloexec(fd, 3)).transpose();
    let [input, output, error] = streams;
    let (input, output, error) = (copy(input)?, copy(output)?, copy(error)?);
    input.map_or(Ok(()), dup2_stdin)?;
    output.map_or(Ok(()), dup2_stdout)?;
    error.map_or(Ok(()), dup2_stderr)
}

/// Closes what the child doesn't get. Most kernels mark it close-on-exec (Linux 5.11), but not for a child that waits: it
/// would keep the other end of its own gate open, and what other threads of the caller have open, such as the ends of the
/// gates of their children. Held by each other, none would ever be closed.
fn close_others(spawn: &Spawn<'_>) -> Result<()> {
    // A sandbox of the caller may hide close_range(2).
    close_between(spawn).or_else(|_| {
        close_listed(spawn.close_from, |number| kept(spawn).any(|other| other == number))
    })
}

/// The descriptors that the child gets, besides those below [`Spawn::close_from`].
fn kept<'a>(spawn: &'a Spawn<'_>) -> impl Iterator<Item = u32> + use<'a> {
    let program = match &spawn.program {
        Program::Open(file) => Some(file),
        Program::At(_) => None,
    };
    let all = spawn.keep.iter().chain(program).chain(&spawn.gate);
    all.map(|fd| fd.as_raw_fd() as u32)
}

fn close_between(spawn: &Spawn<'_>) -> Result<()> {
    let mut first = spawn.close_from;
    let next = |first| kept(spawn).filter(|number| *number >= first).min();
    while let Some(number) = next(first) {
        if number > first {
            close_range(first, number - 1)?;
        }
        first = number + 1;
    }
    close_range(first, u32::MAX)
}

/// Closes every descriptor from `first` on.
///
/// # Errors
/// close_range(2) can't be called, and `/proc` is no procfs.
///
/// # Safety
/// The caller has a table of its own, and uses none of them any more.
pub unsafe fn close_from(first: u32) -> Result<()> {
    close_range(first, u32::MAX).or_else(|_| close_listed(first, |_| false))
}

/// The same by the kernel's list, proc_pid_fd(5). The limit of their number says nothing of those that are open, which may
/// have been opened before it was lowered.
fn close_listed(first: u32, is_kept: impl Fn(u32) -> bool) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let list = openat(CWD, c"/proc/self/fd", flags, Mode::empty())?;
    if fstatfs(&list)?.f_type != PROC_SUPER_MAGIC {
        return Err(Errno::NOSYS);
    }
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(&list, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_str().ok();
        // `.` and `..` are no numbers.
        let Some(number) = name.and_then(|name| name.parse::<u32>().ok()) else { continue };
        let is_own = number == list.as_raw_fd() as u32;
        if number >= first && !is_own && !is_kept(number) {
            // SAFETY: the number is that of an open descriptor; the child has a table of its own, and uses none of these.
            unsafe { close(number as i32) };
        }
    }
    Ok(())
}
