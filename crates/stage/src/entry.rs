//! Where the kernel starts the program, elf(5): the count of arguments and the arguments lie on the stack.

use core::arch::naked_asm;
use core::ffi::c_char;

#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("xor ebp, ebp", "mov rdi, rsp", "and rsp, -16", "call {}", "ud2", sym begin)
}

#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("mov x29, xzr", "mov x30, xzr", "mov x0, sp", "bl {}", "brk 0", sym begin)
}

unsafe extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: the kernel puts argc there and that many pointers behind it.
    let arguments =
        unsafe { core::slice::from_raw_parts(stack.add(1).cast::<*const c_char>(), *stack) };
    crate::main(arguments)
}
