//! Lists of C strings, one after the other.

use core::ffi::CStr;

/// A borrowed list of C strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct List<'a> {
    pub(crate) count: u32,
    pub(crate) bytes: &'a [u8],
}

impl<'a> List<'a> {
    /// How many strings there are.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The strings in order.
    pub fn iter(&self) -> ListIter<'a> {
        ListIter(self.bytes)
    }
}

impl<'a> IntoIterator for List<'a> {
    type Item = &'a CStr;
    type IntoIter = ListIter<'a>;

    fn into_iter(self) -> ListIter<'a> {
        self.iter()
    }
}

/// The strings of a [`List`].
#[derive(Clone, Debug)]
pub struct ListIter<'a>(&'a [u8]);

impl<'a> Iterator for ListIter<'a> {
    type Item = &'a CStr;

    fn next(&mut self) -> Option<&'a CStr> {
        let text = CStr::from_bytes_until_nul(self.0).ok()?;
        self.0 = &self.0[text.to_bytes_with_nul().len()..];
        Some(text)
    }
}

/// An owned [`List`] that grows.
#[cfg(feature = "std")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListBuf {
    count: u32,
    bytes: std::vec::Vec<u8>,
}

#[cfg(feature = "std")]
impl ListBuf {
    /// Adds a string; what stands behind a NUL in it is cut off.
    pub fn push(&mut self, text: &[u8]) {
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        self.bytes.extend_from_slice(&text[..end]);
        self.bytes.push(0);
        self.count += 1;
    }

    /// The list as a step holds it.
    pub fn as_list(&self) -> List<'_> {
        List { count: self.count, bytes: &self.bytes }
    }
}

#[cfg(feature = "std")]
impl<T: AsRef<[u8]>> FromIterator<T> for ListBuf {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut list = Self::default();
        for text in texts {
            list.push(text.as_ref());
        }
        list
    }
}
