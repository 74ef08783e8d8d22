//! Why a step failed.

use core::ffi::CStr;

use coble_sys::rustix::io::{Errno, Result as SysResult};

use crate::bytes::{Bytes, TooLong};

/// An error number with what was being done, and to what.
pub(crate) struct Fault {
    pub(crate) errno: i32,
    pub(crate) action: &'static str,
    pub(crate) detail: Bytes<1024>,
}

pub(crate) type Outcome<T = ()> = Result<T, Fault>;

impl Fault {
    pub(crate) fn new(errno: Errno, action: &'static str) -> Self {
        Self { errno: errno.raw_os_error(), action, detail: Bytes::new() }
    }

    /// A fault that has no error number.
    pub(crate) fn words(action: &'static str) -> Self {
        Self { errno: 0, action, detail: Bytes::new() }
    }

    /// Adds what it was done to; what is too long for a message is left out.
    pub(crate) fn with(mut self, detail: &[u8]) -> Self {
        if self.detail.push(detail).is_err() {
            self.detail.clear();
        }
        self
    }
}

impl From<TooLong> for Fault {
    fn from(_: TooLong) -> Self {
        Self::new(Errno::NAMETOOLONG, "put a path together")
    }
}

/// Turns a system call's error into a [`Fault`].
pub(crate) trait During<T> {
    /// Names the call.
    fn during(self, action: &'static str) -> Outcome<T>;

    /// Names the call and the path that it was about.
    fn on(self, action: &'static str, path: &CStr) -> Outcome<T>;
}

impl<T> During<T> for SysResult<T> {
    fn during(self, action: &'static str) -> Outcome<T> {
        self.map_err(|errno| Fault::new(errno, action))
    }

    fn on(self, action: &'static str, path: &CStr) -> Outcome<T> {
        self.map_err(|errno| Fault::new(errno, action).with(path.to_bytes()))
    }
}
