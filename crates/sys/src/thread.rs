//! A thread without a library: clone(2) with `CLONE_THREAD`.

use core::arch::asm;
use core::ffi::c_void;

use rustix::io::Result;

use crate::arch::check;

/// It shares everything that threads share, and tells nobody of its end.
const FLAGS: usize = (libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM) as usize;

/// Runs `main` in a further thread of this process, on a stack that ends at `top`. An exec of another thread ends it.
///
/// # Errors
/// As clone(2).
///
/// # Safety
/// `top` is the aligned end of memory that nothing else uses, large enough for what `main` does and there until the process
/// ends. `main` uses no thread-local storage, and may use `argument` in another thread.
pub unsafe fn start_thread(
    top: *mut u8,
    main: extern "C" fn(*const c_void) -> !,
    argument: *const c_void,
) -> Result<()> {
    let value: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the new thread begins behind the instruction on its own stack with the caller's registers, and never comes
    // back; this one finds its stack untouched. The caller answers for the rest.
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
            inlateout("rax") libc::SYS_clone as isize => value,
            in("rdi") FLAGS,
            in("rsi") top,
            in("rdx") 0,
            in("r10") 0,
            in("r8") 0,
            in("r12") main,
            in("r13") argument,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x10",
            "blr x9",
            "udf #0",
            "2:",
            in("x8") libc::SYS_clone as usize,
            inlateout("x0") FLAGS as isize => value,
            in("x1") top,
            in("x2") 0,
            in("x3") 0,
            in("x4") 0,
            in("x9") main,
            in("x10") argument,
        );
    }
    check(value).map(drop)
}

/// Ends the calling thread alone, exit(2).
pub fn exit_thread() -> ! {
    // SAFETY: the call takes a number only and does not return.
    let _ = unsafe { crate::arch::syscall(libc::SYS_exit, [0; 6]) };
    crate::arch::trap()
}
