//! The library's error: one line for people.

use std::fmt;
use std::io;
use std::path::Path;

use coble_sys::rustix::io::Errno;
use coble_sys::{errno_words, error_words};

use crate::state::Status;

/// Why something could not be done. Its text is one line that names the step and the thing; [`Error::kind`] tells
/// the reason to programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    message: String,
    kind: ErrorKind,
}

/// The reason of an [`Error`], for programs.
///
/// ```no_run
/// use coble_container::{ErrorKind, state};
///
/// let error = state("/nowhere".as_ref(), "web").unwrap_err();
/// assert_eq!(error.kind(), &ErrorKind::DoesNotExist);
/// assert_eq!(error.to_string(), "container does not exist: web");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no container of that name in the state folder.
    DoesNotExist,
    /// There is a container of that name already.
    AlreadyExists,
    /// The container's status doesn't allow the verb (runtime.md, "Operations"): a container that is not running is
    /// to be signalled, one that runs to be started or deleted, a paused one to get a process.
    WrongStatus(Status),
    /// Another process makes or changes the container, and takes too long.
    Locked,
    /// A container's name that can't be one.
    InvalidId,
    /// The configuration is wrong, or this host can't carry it out.
    Config {
        /// JSON pointer (RFC 6901) into `config.json`, or into the process object of an exec; empty if no single
        /// value is to blame.
        pointer: String,
    },
    /// A step of the container's first process, or of an exec'ed one, has failed.
    Step {
        /// The step's name, as `coble plan` has it.
        step: &'static str,
        /// JSON pointer to what the step carries out; empty for what every container gets.
        pointer: String,
        /// Number of the error (errno(3)); `None` if no system call has failed.
        errno: Option<i32>,
    },
    /// The program is not there (`ENOENT`, or `None` if it is nowhere in `PATH`) or can't be run.
    Program {
        /// Number of the error (errno(3)).
        errno: Option<i32>,
    },
    /// A hook can't be run, fails, or runs too long.
    Hook,
    /// A signal asked this process to end before the program ran; only a [`Run`](crate::Run) that stays tells it.
    Interrupted,
    /// A system call of this process has failed.
    Kernel {
        /// Number of the error (errno(3)).
        errno: i32,
    },
    /// Anything else.
    Other,
}

/// What the library's functions return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of these words. Line breaks become spaces.
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Other, message)
    }

    /// The same, of a kind.
    pub(crate) fn of(kind: ErrorKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.contains('\n') {
            message = message.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
        }
        Self { message, kind }
    }

    /// A value of the configuration that is wrong; `pointer` says where it stands.
    pub(crate) fn config(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(ErrorKind::Config { pointer: pointer.into() }, message)
    }

    /// `action path: why`.
    pub(crate) fn at(action: &str, path: impl AsRef<Path>, why: impl Into<io::Error>) -> Self {
        let (path, why) = (path.as_ref().display(), why.into());
        let kind = why.raw_os_error().map_or(ErrorKind::Other, |errno| ErrorKind::Kernel { errno });
        Self::of(kind, format!("{action} {path}: {}", error_words(&why)))
    }

    /// `action: why`.
    pub(crate) fn os(action: &str, errno: Errno) -> Self {
        let kind = ErrorKind::Kernel { errno: errno.raw_os_error() };
        Self::of(kind, format!("{action}: {}", errno_words(errno)))
    }

    /// The reason.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The error number, if a system call of this process has failed.
    pub(crate) fn errno(&self) -> Option<Errno> {
        match self.kind {
            ErrorKind::Kernel { errno } => Some(Errno::from_raw_os_error(errno)),
            _ => None,
        }
    }

    /// The same behind `before: `.
    #[must_use]
    pub fn within(self, before: &str) -> Self {
        Self { message: format!("{before}: {}", self.message), ..self }
    }

    /// The same before `: behind`.
    #[must_use]
    pub(crate) fn followed_by(self, behind: &str) -> Self {
        Self { message: format!("{}: {behind}", self.message), ..self }
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
        use coble_cgroup::Error as Cgroup;
        let kind = match &error {
            Cgroup::Os { errno, .. } => ErrorKind::Kernel { errno: errno.raw_os_error() },
            Cgroup::Value { pointer, .. }
            | Cgroup::NoController { pointer, .. }
            | Cgroup::NoFile { pointer, .. } => ErrorKind::Config { pointer: pointer.clone() },
            _ => ErrorKind::Other,
        };
        Self::of(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use coble_sys::libc;

    use super::*;

    #[test]
    fn errors_are_one_line_in_the_words_that_engines_look_for() {
        let error = Error::at("open", "/x", Errno::ACCESS);
        assert_eq!(error.to_string(), "open /x: permission denied");
        assert_eq!(Error::new("a\n  b").within("c").to_string(), "c: a b");
    }

    #[test]
    fn a_kernels_error_keeps_its_number() {
        let error = Error::at("open", "/x", Errno::ACCESS).within("here");
        assert_eq!(error.kind(), &ErrorKind::Kernel { errno: libc::EACCES });
        assert_eq!(error.errno(), Some(Errno::ACCESS));
        assert_eq!(Error::new("a").kind(), &ErrorKind::Other);
        let missing = coble_cgroup::Error::Os {
            action: "write".into(),
            path: "/x".into(),
            errno: Errno::NOENT,
            pointer: String::new(),
        };
        let error = Error::from(missing);
        assert_eq!(error.to_string(), "cannot write /x: no such file or directory");
        assert_eq!(error.errno(), Some(Errno::NOENT));
    }
}
