//! The executor as a program of its own: small, static, without a library, so that it can be copied into a
//! sealed file in memory and run from there. Nothing that a container can reach then leads to the runtime's own
//! file.
//!
//! Arguments: the descriptor of the plan, its length, the socket to the parent, and the socket for `start` or -1.
#![no_std]
#![no_main]

mod entry;
mod memory;

use core::ffi::CStr;
use core::panic::PanicInfo;
use core::ptr::null_mut;

use coble_stage::Inherited;
use coble_sys::exit_group;
use coble_sys::rustix::fd::{AsRawFd, BorrowedFd, RawFd};
use coble_sys::rustix::io::{FdFlags, close, fcntl_setfd};
use coble_sys::rustix::mm::{MapFlags, ProtFlags, mmap};

/// Status of a program that was started by anything but the runtime.
const MISUSED: i32 = 125;

fn main(arguments: &[*const core::ffi::c_char]) -> ! {
    let [_, plan, length, parent, start] = arguments else { exit_group(MISUSED) };
    let plan = map_plan(descriptor(*plan), number(*length));
    let start = if number(*start) < 0 { None } else { Some(descriptor(*start)) };
    coble_stage::run(plan, Inherited { parent: descriptor(*parent), start })
}

fn map_plan(plan: BorrowedFd<'static>, length: i64) -> &'static [u8] {
    let length = usize::try_from(length).unwrap_or_else(|_| exit_group(MISUSED));
    // SAFETY: the kernel chooses an address that nothing else uses.
    let memory = unsafe { mmap(null_mut(), length, ProtFlags::READ, MapFlags::PRIVATE, plan, 0) };
    let Ok(memory) = memory else { exit_group(MISUSED) };
    // SAFETY: nothing uses the descriptor from here on; the mapping does not need it.
    unsafe { close(plan.as_raw_fd()) };
    // SAFETY: the mapping is as long, stays to the end, and the file behind it is sealed by the parent.
    unsafe { core::slice::from_raw_parts(memory.cast(), length) }
}

/// A descriptor that the parent left open for this program, and that the program it runs does not get.
fn descriptor(argument: *const core::ffi::c_char) -> BorrowedFd<'static> {
    let Ok(raw) = RawFd::try_from(number(argument)) else { exit_group(MISUSED) };
    if raw < 0 {
        exit_group(MISUSED);
    }
    // SAFETY: the number is not -1; if it is not open, the next call says so.
    let fd = unsafe { BorrowedFd::borrow_raw(raw) };
    if fcntl_setfd(fd, FdFlags::CLOEXEC).is_err() {
        exit_group(MISUSED);
    }
    fd
}

fn number(argument: *const core::ffi::c_char) -> i64 {
    // SAFETY: the kernel ends every argument with a NUL.
    let text = unsafe { CStr::from_ptr(argument) };
    text.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| exit_group(MISUSED))
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    exit_group(MISUSED)
}
