//! mount_setattr(2) (Linux 5.12).

use core::ffi::CStr;
use core::mem::size_of;

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Result;

use crate::arch::syscall;

/// `struct mount_attr`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MountAttr {
    /// `MOUNT_ATTR_*` to set.
    pub attr_set: u64,
    /// `MOUNT_ATTR_*` to clear.
    pub attr_clr: u64,
    /// One of `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, or 0.
    pub propagation: u64,
    /// For `MOUNT_ATTR_IDMAP`: a user namespace's descriptor.
    pub userns_fd: u64,
}

/// Changes a mount, and with `recursive` all below it.
///
/// # Errors
/// As mount_setattr(2); `ENOSYS` before Linux 5.12.
pub fn mount_setattr(
    dirfd: BorrowedFd<'_>,
    path: &CStr,
    recursive: bool,
    attr: &MountAttr,
) -> Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let args = [
        dirfd.as_raw_fd() as usize,
        path.as_ptr() as usize,
        flags as usize,
        core::ptr::from_ref(attr) as usize,
        size_of::<MountAttr>(),
        0,
    ];
    // SAFETY: the path is a C string and the structure has the size that is given; the kernel only reads.
    unsafe { syscall(libc::SYS_mount_setattr, args) }.map(drop)
}
