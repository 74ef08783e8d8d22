//! What can go wrong, in one line each.

use std::fmt;

use coble_sys::errno_words;
use coble_sys::rustix::io::Errno;

/// What [`Error::HalfDone`] calls device rules.
pub(crate) const DEVICE_RULES: &str = "device rules";

/// Why a control group can't be had, as the caller asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused.
    Os {
        /// What was tried, such as `write "max" to`.
        action: String,
        /// The file or directory.
        path: String,
        /// The kernel's answer.
        errno: Errno,
        /// A JSON pointer into `config.json` to the value that led here; empty if there is none.
        pointer: String,
    },
    /// A value of the configuration can't be used.
    Value {
        /// A JSON pointer into `config.json`.
        pointer: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A cgroup below the container's can't be meant like that.
    SubCgroup(String),
    /// A limit is asked for and nothing here can enforce it; or nothing can tell of its use.
    NoController {
        /// A JSON pointer into `config.json`; empty if nothing of it led here.
        pointer: String,
        /// The controller as the kernel calls it.
        controller: String,
        /// Where it was looked for: a directory, or words when there is none.
        place: String,
        /// What would make it available; empty if there is nothing to be said.
        remedy: String,
    },
    /// A limit is asked for whose controller is there, but not the file that takes it.
    NoFile {
        /// A JSON pointer into `config.json`.
        pointer: String,
        /// The controller as the kernel calls it.
        controller: String,
        /// The file.
        path: String,
        /// With which kernels it comes; empty if there is nothing to be said.
        remedy: &'static str,
    },
    /// The cgroup was there before and is in use.
    NotEmpty(usize),
    /// The cgroup was there before and is frozen.
    Frozen,
    /// One above it is frozen.
    FrozenAbove {
        /// That one's directory.
        path: String,
    },
    /// A change has failed, and what had been changed until then could not be set back either.
    HalfDone {
        /// Why it has failed.
        cause: Box<Error>,
        /// The files that have new values; `device rules`, and the unit that has new properties.
        files: Vec<String>,
    },
    /// Nothing here can hold the processes.
    NoFreezer,
    /// Some of its processes are not held after all the time that was given to them.
    NotFrozen {
        /// The cgroup's directory.
        path: String,
        /// What they wait for; empty if that can't be told.
        why: String,
    },
    /// Processes are still there after all the time that was given to them to end.
    Busy {
        /// The cgroup's directory.
        path: String,
        /// How many processes.
        count: usize,
        /// What they wait for; empty if that can't be told.
        why: String,
    },
    /// systemd can't be asked, or doesn't do what it was asked for.
    Systemd(String),
    /// systemd is not process 1 here.
    NoSystemd,
    /// systemd has answered that it won't.
    Refused {
        /// The answer's name on D-Bus.
        name: String,
        /// Its words.
        words: String,
    },
    /// systemd doesn't listen or has ended the connection, as it does when it is executed anew.
    HungUp,
    /// A file of the kernel or a record reads like none that is known.
    Unreadable {
        /// The file, or what was read.
        path: String,
        /// What is odd.
        reason: String,
    },
}

impl Error {
    /// The kernel's answer, if it was the kernel that refused.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Os { errno, .. } => Some(*errno),
            Self::HalfDone { cause, .. } => cause.errno(),
            _ => None,
        }
    }

    /// Whether rights are what is missing: EPERM, EACCES, or a read-only file system.
    pub fn is_permission(&self) -> bool {
        self.errno().is_some_and(is_permission)
    }

    /// Whether device rules are in force, or will be some day, that are neither the former ones nor quite the new ones.
    pub fn leaves_device_rules(&self) -> bool {
        matches!(self, Self::HalfDone { files, .. } if files.iter().any(|file| file == DEVICE_RULES))
    }

    /// Says which value of the configuration led to the error.
    pub(crate) fn at(mut self, place: &str) -> Self {
        if let Self::Os { pointer, .. } = &mut self {
            place.clone_into(pointer);
        }
        self
    }

    pub(crate) fn os(action: impl Into<String>, path: impl Into<String>, errno: Errno) -> Self {
        Self::Os { action: action.into(), path: path.into(), errno, pointer: String::new() }
    }

    pub(crate) fn systemd(reason: impl Into<String>) -> Self {
        Self::Systemd(reason.into())
    }

    pub(crate) fn value(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Value { pointer: pointer.into(), reason: reason.into() }
    }
}

/// EPERM, EACCES, or EROFS, which is how a container's read-only cgroup mount says the same.
pub(crate) fn is_permission(errno: Errno) -> bool {
    matches!(errno, Errno::PERM | Errno::ACCESS | Errno::ROFS)
}

/// The directory, or the file in it, is not there (any more): ENODEV is what an open file of a removed
/// cgroup answers.
pub(crate) fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NODEV)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Os { action, path, errno, pointer } => {
                if !pointer.is_empty() {
                    write!(f, "{pointer}: ")?;
                }
                write!(f, "cannot {action} {path}: {}", errno_words(*errno))
            }
            Self::Value { pointer, reason } => write!(f, "{pointer}: {reason}"),
            Self::SubCgroup(reason) => f.write_str(reason),
            Self::NoController { pointer, controller, place, remedy } => {
                if !pointer.is_empty() {
                    write!(f, "{pointer}: ")?;
                }
                write!(f, "the cgroup controller {controller} is not available {place}")?;
                if remedy.is_empty() { Ok(()) } else { write!(f, ": {remedy}") }
            }
            Self::NoFile { pointer, controller, path, remedy } => {
                write!(
                    f,
                    "{pointer}: the cgroup controller {controller} has no {path} on this kernel"
                )?;
                if remedy.is_empty() { Ok(()) } else { write!(f, ": {remedy}") }
            }
            Self::NotEmpty(count) => {
                write!(f, "container's cgroup is not empty: {count} process(es) found")
            }
            Self::Frozen => f.write_str("container's cgroup unexpectedly frozen"),
            Self::FrozenAbove { path } => {
                write!(f, "container's cgroup unexpectedly frozen: by {path}, above it")
            }
            Self::HalfDone { cause, files } => {
                write!(f, "{cause}; already changed, and not set back: {}", files.join(", "))
            }
            Self::NoFreezer => f.write_str("the container has no cgroup that can be frozen"),
            Self::NotFrozen { path, why } => {
                write!(f, "unable to freeze: cgroup {path} has processes that don't stop")?;
                behind(f, why)
            }
            Self::Busy { path, count, why } => {
                write!(f, "cgroup {path} still has {count} process(es) after SIGKILL")?;
                behind(f, why)
            }
            Self::Systemd(reason) => write!(f, "systemd: {reason}"),
            // The words of runc, which tests look for.
            Self::NoSystemd => {
                f.write_str("systemd not running on this host, cannot use systemd cgroups manager")
            }
            Self::Refused { words, .. } => write!(f, "systemd refuses: {words}"),
            Self::HungUp => f.write_str("systemd: it doesn't listen, or has ended the connection"),
            Self::Unreadable { path, reason } => write!(f, "cannot understand {path}: {reason}"),
        }
    }
}

fn behind(f: &mut fmt::Formatter<'_>, why: &str) -> fmt::Result {
    if why.is_empty() { Ok(()) } else { write!(f, ": {why}") }
}

impl std::error::Error for Error {}
