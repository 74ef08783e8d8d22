//! The wire format: a tag byte per step, then its fields in order.
//!
//! Numbers are little-endian and unaligned. A string is its length without the NUL (u32), its bytes and a
//! NUL, so that it serves as a C string where it lies. Bytes are their length (u32) and themselves. A list is its
//! count (u32), the length of its bytes (u32) and its strings, each with a NUL.

use core::ffi::CStr;

use crate::{List, Step};

/// Reads fields from the front of a byte slice.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }
}

/// A type that a step's field can have.
pub(crate) trait Field<'a>: Sized {
    fn read(reader: &mut Reader<'a>) -> Option<Self>;

    #[cfg(feature = "std")]
    fn write(&self, bytes: &mut std::vec::Vec<u8>);
}

macro_rules! number_field {
    ($($type:ty),*) => {$(
        impl<'a> Field<'a> for $type {
            fn read(reader: &mut Reader<'a>) -> Option<Self> {
                let bytes = reader.take(size_of::<Self>())?;
                Some(Self::from_le_bytes(bytes.try_into().ok()?))
            }

            #[cfg(feature = "std")]
            fn write(&self, bytes: &mut std::vec::Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

number_field!(u8, u32, i32, u64);

impl<'a> Field<'a> for &'a CStr {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let length = u32::read(reader)? as usize;
        CStr::from_bytes_with_nul(reader.take(length.checked_add(1)?)?).ok()
    }

    #[cfg(feature = "std")]
    fn write(&self, bytes: &mut std::vec::Vec<u8>) {
        let text = self.to_bytes_with_nul();
        (text.len() as u32 - 1).write(bytes);
        bytes.extend_from_slice(text);
    }
}

impl<'a> Field<'a> for &'a [u8] {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let length = u32::read(reader)? as usize;
        reader.take(length)
    }

    #[cfg(feature = "std")]
    fn write(&self, bytes: &mut std::vec::Vec<u8>) {
        (self.len() as u32).write(bytes);
        bytes.extend_from_slice(self);
    }
}

impl<'a> Field<'a> for List<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let count = u32::read(reader)?;
        let length = u32::read(reader)? as usize;
        let list = List { count, bytes: reader.take(length)? };
        let ends = length == 0 || list.bytes[length - 1] == 0;
        (ends && list.iter().count() == count as usize).then_some(list)
    }

    #[cfg(feature = "std")]
    fn write(&self, bytes: &mut std::vec::Vec<u8>) {
        self.count.write(bytes);
        (self.bytes.len() as u32).write(bytes);
        bytes.extend_from_slice(self.bytes);
    }
}

/// The steps of an encoded plan, in order; `Err(())` and then the end where the bytes make no sense.
#[derive(Clone, Debug)]
pub struct Steps<'a>(Reader<'a>);

impl<'a> Steps<'a> {
    /// Reads the steps from `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }
}

impl<'a> Iterator for Steps<'a> {
    type Item = Result<Step<'a>, ()>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let step = Step::read(&mut self.0).ok_or(());
        if step.is_err() {
            self.0.rest();
        }
        Some(step)
    }
}
