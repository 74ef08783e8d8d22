//! execve(2) and execveat(2).

use core::ffi::{CStr, c_char};

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use crate::arch::syscall;

/// Runs the program at `path` in place of this one. Returns only with an error.
///
/// # Safety
/// `argv` and `envp` must each end with a null pointer and point to strings that end with a NUL.
pub unsafe fn execve(path: &CStr, argv: *const *const c_char, envp: *const *const c_char) -> Errno {
    let args = [path.as_ptr() as usize, argv as usize, envp as usize, 0, 0, 0];
    // SAFETY: the caller answers for the arrays; the path is a C string.
    let answer = unsafe { syscall(libc::SYS_execve, args) };
    answer.err().unwrap_or(Errno::NOSYS)
}

/// Runs the program behind a descriptor in place of this one (Linux 3.19). Returns only with an error.
///
/// # Safety
/// As [`execve`].
pub unsafe fn fexecve(
    fd: BorrowedFd<'_>,
    argv: *const *const c_char,
    envp: *const *const c_char,
) -> Errno {
    let fd = fd.as_raw_fd() as usize;
    let args =
        [fd, c"".as_ptr() as usize, argv as usize, envp as usize, libc::AT_EMPTY_PATH as usize, 0];
    // SAFETY: the caller answers for the arrays; the path is a C string.
    let answer = unsafe { syscall(libc::SYS_execveat, args) };
    answer.err().unwrap_or(Errno::NOSYS)
}
