//! ptrace(2), as far as it takes to see which calls a filter leaves to a tracer.

use core::mem::size_of;

use rustix::io::Result;

use crate::arch::syscall;

/// Request numbers (include/uapi/linux/ptrace.h).
const CONT: usize = 7;
const SEIZE: usize = 0x4206;
const LISTEN: usize = 0x4208;
const GET_SYSCALL_INFO: usize = 0x420e;

/// Every process and thread that comes of the first one is traced, too, each call that a filter leaves to the tracer stops
/// it, and none outlives the tracer: `PTRACE_O_*`.
const OPTIONS: usize = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 7 | 1 << 20;
/// `PTRACE_EVENT_SECCOMP`, `PTRACE_EVENT_STOP`.
const EVENT_SECCOMP: i32 = 7;
const EVENT_STOP: i32 = 128;

/// `struct ptrace_syscall_info`, in 64-bit words: the operation and the architecture, two addresses, the number, the
/// arguments, and what the filter says.
type Info = [u64; 11];

/// A call that a filter leaves to the tracer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedCall {
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Its number.
    pub number: u32,
    /// Its arguments.
    pub args: [u64; 6],
}

/// What a process is found to have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has ended with this status.
    Exited(i32),
    /// It was ended by this signal.
    Killed(i32),
    /// It stops at a call, before that is carried out.
    Call,
    /// A signal is about to reach it.
    Signal(i32),
    /// It is stopped, as signals stop it.
    Stopped,
    /// Anything else that stops only what is traced.
    Traced,
}

/// Traces a process from here on, and all that come of it.
///
/// # Errors
/// As ptrace(2).
pub fn trace(pid: i32) -> Result<()> {
    ptrace(SEIZE, pid, OPTIONS)
}

/// Lets one that has stopped go on; `signal` reaches it, if that isn't 0.
///
/// # Errors
/// As ptrace(2): `ESRCH` if it was killed.
pub fn go_on(pid: i32, signal: i32) -> Result<()> {
    ptrace(CONT, pid, signal as usize)
}

/// Leaves one that is [`Change::Stopped`] so.
///
/// # Errors
/// As ptrace(2): `ESRCH` if it was killed.
pub fn stay(pid: i32) -> Result<()> {
    ptrace(LISTEN, pid, 0)
}

/// The call at which it stops (Linux 5.3).
///
/// # Errors
/// As ptrace(2): `ESRCH` if it was killed.
pub fn call_of(pid: i32) -> Result<TracedCall> {
    let mut info: Info = [0; 11];
    let args =
        [GET_SYSCALL_INFO, pid as usize, size_of::<Info>(), info.as_mut_ptr() as usize, 0, 0];
    // SAFETY: the kernel writes at most as many bytes as it is told, and any bytes are numbers.
    unsafe { syscall(libc::SYS_ptrace, args) }?;
    let [head, _, _, number, args @ .., _] = info;
    // The operation is the first byte, the architecture the second half.
    let head = head.to_ne_bytes();
    let [.., a, b, c, d] = head;
    Ok(TracedCall { arch: u32::from_ne_bytes([a, b, c, d]), number: number as u32, args })
}

/// Takes the next change of any child or traced process, if there is one.
///
/// # Errors
/// As wait4(2): `ECHILD` if there are none.
pub fn next_change() -> Result<Option<(i32, Change)>> {
    let mut status = 0_i32;
    let options = (libc::WNOHANG | libc::__WALL) as usize;
    let args = [usize::MAX, (&raw mut status) as usize, options, 0, 0, 0];
    // SAFETY: the kernel writes the status.
    let pid = unsafe { syscall(libc::SYS_wait4, args) }? as i32;
    Ok((pid != 0).then(|| (pid, change(status))))
}

/// A status of wait(2).
fn change(status: i32) -> Change {
    let (low, signal, event) = (status & 0x7f, status >> 8 & 0xff, status >> 16);
    match (low, event) {
        (0, _) => Change::Exited(signal),
        (0x7f, EVENT_SECCOMP) => Change::Call,
        (0x7f, EVENT_STOP)
            if matches!(signal, libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU) =>
        {
            Change::Stopped
        }
        (0x7f, 0) => Change::Signal(signal),
        (0x7f, _) => Change::Traced,
        (low, _) => Change::Killed(low),
    }
}

fn ptrace(request: usize, pid: i32, data: usize) -> Result<()> {
    // SAFETY: the requests take numbers only, and change a process that is traced.
    unsafe { syscall(libc::SYS_ptrace, [request, pid as usize, 0, data, 0, 0]) }.map(drop)
}
