//! Why a profile can't be compiled.

use std::fmt;

/// A profile that can't be meant, or can't be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// A JSON pointer below the `seccomp` section; empty for the whole of it.
    pub pointer: String,
    /// The word that is wrong, of any length and with any characters; empty if it isn't about one.
    pub word: String,
    /// What is wrong there, or with the word.
    pub reason: String,
}

impl Error {
    pub(crate) fn at(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), word: String::new(), reason: reason.into() }
    }

    /// The same in a place whose pointer is this.
    pub(crate) fn below(self, place: impl AsRef<str>) -> Self {
        Self { pointer: format!("{}{}", place.as_ref(), self.pointer), ..self }
    }

    pub(crate) fn about(pointer: impl Into<String>, word: &str, reason: &str) -> Self {
        Self { pointer: pointer.into(), word: word.to_owned(), reason: reason.to_owned() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        if !self.word.is_empty() {
            write!(f, "{:?} ", self.word)?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Error {}
