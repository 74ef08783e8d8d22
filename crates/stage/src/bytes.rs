//! Bytes on the stack, with a NUL at the end.

use core::ffi::CStr;
use core::fmt;

/// At most `N - 1` bytes and a NUL. What does not fit is refused, never cut.
#[derive(Clone)]
pub(crate) struct Bytes<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

/// A path, path_resolution(7).
pub(crate) type PathBytes = Bytes<4096>;

/// What did not fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooLong;

impl<const N: usize> Bytes<N> {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }

    pub(crate) fn from(bytes: &[u8]) -> Result<Self, TooLong> {
        let mut new = Self::new();
        new.push(bytes)?;
        Ok(new)
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        let end = self.length + bytes.len();
        if end >= N {
            return Err(TooLong);
        }
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.bytes[end] = 0;
        self.length = end;
        Ok(())
    }

    pub(crate) fn push_number(&mut self, number: u32) -> Result<(), TooLong> {
        fmt::Write::write_fmt(self, format_args!("{number}")).map_err(|_| TooLong)
    }

    pub(crate) fn clear(&mut self) {
        self.length = 0;
        self.bytes[0] = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Up to the first NUL.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Write for Bytes<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes()).map_err(|_| fmt::Error)
    }
}
