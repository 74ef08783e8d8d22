//! The functions on memory that the compiler calls, and that a C library would bring.

use core::ffi::c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller gives two ranges of that length which do not overlap.
    unsafe {
        core::arch::asm!(
            "rep movsb",
            inout("rcx") length => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let mut index = 0;
        while index < length {
            // SAFETY: the caller gives two ranges of that length. Volatile, so that the loop is not turned
            // into a call of this very function.
            unsafe { to.add(index).write_volatile(from.add(index).read_volatile()) };
            index += 1;
        }
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, length: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= length {
        // SAFETY: copying forwards never reads what it has written.
        return unsafe { memcpy(to, from, length) };
    }
    let mut index = length;
    while index > 0 {
        index -= 1;
        // SAFETY: the caller gives two ranges of that length; copying backwards never reads what it has
        // written. Volatile as in `memcpy`.
        unsafe { to.add(index).write_volatile(from.add(index).read_volatile()) };
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: c_int, length: usize) -> *mut u8 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller gives a range of that length.
    unsafe {
        core::arch::asm!(
            "rep stosb",
            inout("rcx") length => _,
            inout("rdi") to => _,
            in("al") byte as u8,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let mut index = 0;
        while index < length {
            // SAFETY: the caller gives a range of that length. Volatile as in `memcpy`.
            unsafe { to.add(index).write_volatile(byte as u8) };
            index += 1;
        }
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, length: usize) -> c_int {
    let mut index = 0;
    while index < length {
        // SAFETY: the caller gives two ranges of that length. Volatile as in `memcpy`.
        let (l, r) = unsafe { (left.add(index).read_volatile(), right.add(index).read_volatile()) };
        if l != r {
            return c_int::from(l) - c_int::from(r);
        }
        index += 1;
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, length: usize) -> c_int {
    // SAFETY: as the caller says.
    unsafe { memcmp(left, right, length) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: the caller gives a string that ends with a NUL. Volatile as in `memcpy`.
    while unsafe { text.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}
