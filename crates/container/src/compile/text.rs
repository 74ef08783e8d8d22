//! Texts as the kernel takes them.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result};

/// A text as a C string.
pub(crate) fn c_string(text: impl Into<Vec<u8>>) -> Result<CString> {
    CString::new(text).map_err(|error| {
        let text = String::from_utf8_lossy(&error.into_vec()).replace('\0', "\\0");
        Error::new(format!("{text:?}: a NUL can't stand in it"))
    })
}

/// A path as a C string.
pub(crate) fn c_path(path: &Path) -> Result<CString> {
    c_string(path.as_os_str().as_bytes())
}

/// A path without empty and `.` parts, `..` taken back, with a slash at its front: what it says, not where
/// it leads.
pub(crate) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_by_what_they_say() {
        for (path, cleaned) in [
            ("", "/"),
            ("/", "/"),
            ("dev", "/dev"),
            ("//dev/./pts/", "/dev/pts"),
            ("/a/../../b", "/b"),
            ("/...", "/..."),
        ] {
            assert_eq!(clean(path), cleaned);
        }
    }

    #[test]
    fn a_nul_is_refused() {
        assert!(c_string("a\0b").is_err());
    }
}
