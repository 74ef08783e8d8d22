//! A thread without a library: clone3(2) with `CLONE_THREAD`.

use core::mem::MaybeUninit;

use rustix::io::Result;

use crate::arch::{check, syscall, trap};
use crate::clone3::{CloneArgs, Entry, clone3_call};

/// It shares everything that threads share, and tells nobody of its end.
const FLAGS: i32 = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM;

/// Runs `entry(argument)` in a further thread of this process, on `stack`. An exec of another thread ends it.
///
/// # Errors
/// As clone3(2).
///
/// # Safety
/// Nothing else uses the stack, which is large enough for what `entry` does and there until the process ends. `entry`
/// uses no thread-local storage, and may use `argument` in another thread.
pub unsafe fn start_thread<T>(
    stack: &mut [MaybeUninit<u8>],
    entry: Entry<T>,
    argument: *const T,
) -> Result<()> {
    let args = CloneArgs::on(stack, FLAGS as u64);
    // SAFETY: `args` lives through the call; the thread leaves through `entry` and never comes back to this frame. The
    // caller answers for the rest.
    let tid = unsafe { clone3_call(&args, entry as usize, argument as usize) };
    check(tid).map(drop)
}

/// Ends the calling thread alone, exit(2).
pub fn exit_thread() -> ! {
    // SAFETY: the call takes a number only and does not return.
    let _ = unsafe { syscall(libc::SYS_exit, [0; 6]) };
    trap()
}
