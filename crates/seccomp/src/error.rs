//! Why a profile can't be compiled.

use std::fmt;

/// A profile that can't be meant, or can't be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// A JSON pointer below the `seccomp` section; empty for the whole of it.
    pub pointer: String,
    /// What is wrong there.
    pub reason: String,
}

impl Error {
    pub(crate) fn at(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), reason: reason.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.reason),
            pointer => write!(f, "{pointer}: {}", self.reason),
        }
    }
}

impl std::error::Error for Error {}
