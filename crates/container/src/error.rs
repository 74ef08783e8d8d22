//! The library's error: one line for people.

use std::fmt;
use std::io;
use std::path::Path;

use coble_sys::rustix::io::Errno;

/// Why something could not be done. Its text is one line that names the step and the thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    message: String,
    errno: Option<Errno>,
}

/// What the library's functions return.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of these words. Line breaks become spaces.
    pub fn new(message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.contains('\n') {
            message = message.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
        }
        Self { message, errno: None }
    }

    /// `action path: why`.
    pub(crate) fn at(action: &str, path: impl AsRef<Path>, why: impl Into<io::Error>) -> Self {
        let path = path.as_ref().display();
        Self::new(format!("{action} {path}: {}", words(&why.into())))
    }

    /// `action: why`.
    pub(crate) fn os(action: &str, errno: Errno) -> Self {
        let error = Self::new(format!("{action}: {}", errno_words(errno)));
        Self { errno: Some(errno), ..error }
    }

    /// The error number, if a system call of this process has failed.
    pub(crate) fn errno(&self) -> Option<Errno> {
        self.errno
    }

    /// The same behind `before: `.
    #[must_use]
    pub fn within(self, before: &str) -> Self {
        Self { message: format!("{before}: {}", self.message), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<coble_cgroup::Error> for Error {
    fn from(error: coble_cgroup::Error) -> Self {
        Self { errno: error.errno(), ..Self::new(error.to_string()) }
    }
}

/// What strerror(3) says, with a small first letter: engines look for `permission denied` and its like.
pub(crate) fn errno_words(errno: Errno) -> String {
    words(&io::Error::from(errno))
}

fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_line_in_the_words_that_engines_look_for() {
        let error = Error::at("open", "/x", Errno::ACCESS);
        assert_eq!(error.to_string(), "open /x: permission denied");
        assert_eq!(errno_words(Errno::NOENT), "no such file or directory");
        assert_eq!(Error::new("a\n  b").within("c").to_string(), "c: a b");
    }
}
