//! The processor's system call instruction, syscall(2) "Architecture calling conventions".

use core::arch::asm;

use rustix::io::{Errno, Result};

/// Makes a system call with up to six arguments; unused ones are zero.
///
/// # Errors
/// The error number that the kernel returned.
///
/// # Safety
/// The arguments must be what the call `number` takes: pointers must be valid for what the kernel does
/// with them, and the call must not break what the rest of the program relies on.
#[inline]
pub(crate) unsafe fn syscall(number: libc::c_long, args: [usize; 6]) -> Result<usize> {
    let value: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the registers are those of the calling convention; the kernel changes rcx and r11 besides
    // rax. The caller answers for the arguments.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => value,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the registers are those of the calling convention; the kernel changes x0 alone. The caller
    // answers for the arguments.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number as usize,
            inlateout("x0") args[0] as isize => value,
            in("x1") args[1],
            in("x2") args[2],
            in("x3") args[3],
            in("x4") args[4],
            in("x5") args[5],
            options(nostack),
        );
    }
    check(value)
}

/// Ends the process without a system call, by an instruction that no processor carries out.
pub(crate) fn trap() -> ! {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction has no effect but its exception.
    unsafe {
        asm!("ud2", options(noreturn, nostack))
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the instruction has no effect but its exception.
    unsafe {
        asm!("udf #0", options(noreturn, nostack))
    }
}

/// Splits the kernel's answer: -4095 to -1 is an error number.
pub(crate) fn check(value: isize) -> Result<usize> {
    if (-4095..0).contains(&value) {
        Err(Errno::from_raw_os_error(-value as i32))
    } else {
        Ok(value as usize)
    }
}
