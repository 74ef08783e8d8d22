//! Why a command did not succeed.

use std::fmt;

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
