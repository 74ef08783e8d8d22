//! Arrays whose length is known only at run time.

use core::ptr::{NonNull, null_mut};

use coble_sys::rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use crate::fault::{During, Fault, Outcome};

/// Memory of its own, from mmap(2). It is never given back: what needs it ends with the exec.
pub(crate) struct Array<T> {
    first: NonNull<T>,
    length: usize,
}

impl<T: Copy> Array<T> {
    /// `length` times `value`.
    pub(crate) fn new(length: usize, value: T) -> Outcome<Self> {
        if length == 0 {
            return Ok(Self { first: NonNull::dangling(), length });
        }
        let size =
            length.checked_mul(size_of::<T>()).ok_or_else(|| Fault::words("a list is too long"))?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses an address that nothing else uses.
        let memory = unsafe { mmap_anonymous(null_mut(), size, access, MapFlags::PRIVATE) };
        let first: NonNull<T> = NonNull::new(memory.during("mmap")?.cast())
            .ok_or_else(|| Fault::words("mmap gave null"))?;
        for index in 0..length {
            // SAFETY: the memory has room for `length` values and starts at a page.
            unsafe { first.as_ptr().add(index).write(value) };
        }
        Ok(Self { first, length })
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        // SAFETY: every value was written, and the memory is this array's alone.
        unsafe { core::slice::from_raw_parts_mut(self.first.as_ptr(), self.length) }
    }

    /// The values, for good.
    pub(crate) fn leak(self) -> &'static [T] {
        // SAFETY: every value was written, and the memory is never given back nor changed any more.
        unsafe { core::slice::from_raw_parts(self.first.as_ptr(), self.length) }
    }

    pub(crate) fn as_ptr(&self) -> *const T {
        self.first.as_ptr()
    }
}
