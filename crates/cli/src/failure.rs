//! Why a command did not succeed.

use std::{fmt, io};

use coble_sys::error_words;

/// One line for the user and the status to exit with.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The line, without a prefix.
    pub(crate) message: String,
    /// The exit status.
    pub(crate) status: u8,
}

impl Failure {
    /// A failure with the usual status, 1.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: 1 }
    }

    /// `what: why` of the kernel, as the library words it.
    pub(crate) fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        Self::at(what, error_words(error))
    }

    /// `what: error`, for an error that doesn't name its object.
    pub(crate) fn at(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::new(format!("{what}: {error}"))
    }
}

impl From<coble_container::Error> for Failure {
    fn from(error: coble_container::Error) -> Self {
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_errors_are_worded_like_the_librarys() {
        let failure = Failure::io("/x", &io::Error::from_raw_os_error(13));
        assert_eq!(failure.message, "/x: permission denied");
    }
}
