//! The container's procfs on `/proc` and sysfs on `/sys`.
//!
//! Who shares the root's files may rename a directory that is mounted on, since rename(2) spares the mount points of the
//! caller's own mount namespace alone: the mount goes along, and its path leads elsewhere. So what is closed in these mounts
//! is found below them, wherever they are.

use core::ffi::CStr;

use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};

/// Those that were mounted last.
#[derive(Default)]
pub(crate) struct KernelMounts {
    proc: Option<OwnedFd>,
    sys: Option<OwnedFd>,
}

impl KernelMounts {
    /// Whether what is mounted at a clean path matters to them.
    pub(crate) fn is_for(path: &CStr) -> bool {
        matches!(path.to_bytes(), b"/proc" | b"/sys" | b"/")
    }

    /// What has been mounted at a clean path; `None` for another file system.
    pub(crate) fn keep(&mut self, path: &CStr, mount: Option<OwnedFd>) {
        match path.to_bytes() {
            b"/proc" => self.proc = mount,
            b"/sys" => self.sys = mount,
            // It covers them.
            b"/" => *self = Self::default(),
            _ => {}
        }
    }

    /// The mount that a clean path lies in, and the path from there.
    pub(crate) fn find<'a>(&self, path: &'a CStr) -> Option<(BorrowedFd<'_>, &'a CStr)> {
        let (mount, rest) = match path.to_bytes_with_nul() {
            [b'/', b'p', b'r', b'o', b'c', rest @ ..] => (&self.proc, rest),
            [b'/', b's', b'y', b's', rest @ ..] => (&self.sys, rest),
            _ => return None,
        };
        let path = match rest {
            [0] => c"/",
            [b'/', ..] => CStr::from_bytes_with_nul(rest).ok()?,
            _ => return None,
        };
        Some((mount.as_ref()?.as_fd(), path))
    }
}
