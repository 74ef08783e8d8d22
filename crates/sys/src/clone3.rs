//! clone3(2): a child that soon calls execveat(2), and what a thread needs of it.

use core::arch::asm;
use core::mem::{MaybeUninit, size_of};

use rustix::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use rustix::io::Result;

use crate::arch;

/// sched.h; the constant of the libc crate is too narrow.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// `struct clone_args`, Linux 5.7 (CLONE_ARGS_SIZE_VER2).
#[repr(C, align(8))]
#[derive(Default)]
pub(crate) struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

impl CloneArgs {
    /// The arguments for what runs on a stack of its own.
    pub(crate) fn on(stack: &mut [MaybeUninit<u8>], flags: u64) -> Self {
        Self {
            flags,
            stack: stack.as_mut_ptr() as u64,
            // The psABI wants the stack aligned to 16 bytes at a call.
            stack_size: (stack.len() & !15) as u64 - (stack.as_ptr() as u64 & 15),
            ..Self::default()
        }
    }
}

/// What the child runs: it gets the pointer that was given to clone3 and never returns.
pub type Entry<T> = extern "C" fn(*const T) -> !;

/// A child process.
#[derive(Debug)]
pub struct Child {
    /// Its process id in the caller's pid namespace.
    pub pid: i32,
    /// Its pidfd (Linux 5.2).
    pub pidfd: OwnedFd,
}

/// Makes a child with the `CLONE_*` bits in `flags`, in `cgroup` if one is given (Linux 5.7), which runs
/// `entry(argument)` on `stack`. `SIGCHLD` is sent when it ends.
///
/// # Errors
/// As clone3(2).
///
/// # Safety
/// `entry` must make system calls only: it must not allocate, lock, unwind or return. With `CLONE_VM`,
/// `CLONE_VFORK` must be set too, so that `argument` and `stack` outlive the child's use of them, and every
/// signal must be blocked, so that no handler runs on the shared memory.
pub(crate) unsafe fn clone3<T>(
    flags: u64,
    cgroup: Option<BorrowedFd<'_>>,
    stack: &mut [MaybeUninit<u8>],
    entry: Entry<T>,
    argument: *const T,
) -> Result<Child> {
    let mut pidfd: RawFd = -1;
    let into_cgroup = if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
    let args = CloneArgs {
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
        ..CloneArgs::on(stack, flags | into_cgroup | libc::CLONE_PIDFD as u64)
    };
    // SAFETY: `args` and `pidfd` live through the call; the child leaves through `entry` and never comes
    // back to this frame.
    let pid = unsafe { clone3_call(&args, entry as usize, argument as usize) };
    let pid = arch::check(pid)? as i32;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(Child { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// The call itself: in the parent it returns, in the child it calls `entry` on the new stack.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn clone3_call(args: *const CloneArgs, entry: usize, argument: usize) -> isize {
    let value: isize;
    // SAFETY: see the caller. The child's registers are the parent's but for rax and rsp, so r12 and r13
    // still hold what it needs.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 as isize => value,
            in("rdi") args,
            in("rsi") size_of::<CloneArgs>(),
            in("r12") entry,
            in("r13") argument,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    value
}

/// The call itself: in the parent it returns, in the child it calls `entry` on the new stack.
#[cfg(target_arch = "aarch64")]
pub(crate) unsafe fn clone3_call(args: *const CloneArgs, entry: usize, argument: usize) -> isize {
    let value: isize;
    // SAFETY: see the caller. The child's registers are the parent's but for x0 and sp, so x9 and x10
    // still hold what it needs.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x10",
            "blr x9",
            "brk 0",
            "2:",
            in("x8") libc::SYS_clone3 as usize,
            inlateout("x0") args as isize => value,
            in("x1") size_of::<CloneArgs>(),
            in("x9") entry,
            in("x10") argument,
        );
    }
    value
}
