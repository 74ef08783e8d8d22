//! What becomes of a call.

use std::fmt;

use crate::errno;
use crate::error::Error;

/// A filter's answer, `SECCOMP_RET_*` and its data (seccomp(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action(u32);

const DATA: u32 = 0xffff;
const ERRNO: u32 = 0x0005_0000;
const TRACE: u32 = 0x7ff0_0000;
/// The highest error number there is (include/linux/err.h, `MAX_ERRNO`); the kernel makes it of every higher one.
const MAX_ERRNO: u32 = 4095;
const EPERM: u32 = 1;

/// The names that a configuration has for actions, in order; those that take an error number have none yet.
const NAMES: [(&str, Action); 9] = [
    ("SCMP_ACT_ALLOW", Action::ALLOW),
    ("SCMP_ACT_ERRNO", Action(ERRNO)),
    ("SCMP_ACT_KILL", Action::KILL_THREAD),
    ("SCMP_ACT_KILL_PROCESS", Action::KILL_PROCESS),
    ("SCMP_ACT_KILL_THREAD", Action::KILL_THREAD),
    ("SCMP_ACT_LOG", Action::LOG),
    ("SCMP_ACT_NOTIFY", Action::NOTIFY),
    ("SCMP_ACT_TRACE", Action(TRACE)),
    ("SCMP_ACT_TRAP", Action::TRAP),
];

impl Action {
    /// The thread ends with SIGSYS.
    pub const KILL_THREAD: Self = Self(0);
    /// The process ends with SIGSYS.
    pub const KILL_PROCESS: Self = Self(0x8000_0000);
    /// The call isn't made; SIGSYS is sent.
    pub const TRAP: Self = Self(0x0003_0000);
    /// The call is made.
    pub const ALLOW: Self = Self(0x7fff_0000);
    /// The call is made and logged.
    pub const LOG: Self = Self(0x7ffc_0000);
    /// An agent decides, `seccomp_unotify(2)`.
    pub const NOTIFY: Self = Self(0x7fc0_0000);
    /// A tracer decides; without one the call isn't there.
    pub const TRACE: Self = Self(TRACE);
    /// The call fails as one that the kernel doesn't know.
    pub const ENOSYS: Self = Self(ERRNO | 38);

    /// The action with this name in a configuration and its error number; `EPERM` where none is given.
    ///
    /// # Errors
    /// An unknown name; a number for an action that takes none; one that is too high. The pointer is one of the two.
    pub(crate) fn read(
        [action, errno]: [&str; 2],
        name: &str,
        number: Option<u32>,
    ) -> Result<Self, Error> {
        let known = NAMES.iter().find(|(known, _)| *known == name);
        let Some((_, known)) = known else {
            return Err(Error::about(action, name, "is no action"));
        };
        let most = match known.0 {
            ERRNO => MAX_ERRNO,
            TRACE => DATA,
            _ if number.is_none() => return Ok(*known),
            _ => return Err(Error::at(errno, format!("{name} takes no error number"))),
        };
        match number.unwrap_or(EPERM) {
            number if number > most => {
                let reason = format!("{number} is more than {most}, the highest there is");
                Err(Error::at(errno, reason))
            }
            number => Ok(Self(known.0 | number)),
        }
    }

    /// The names that a configuration has for actions, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// The one that a filter returns with this value.
    pub fn of(value: u32) -> Self {
        Self(value)
    }

    /// What the kernel is told.
    pub fn value(self) -> u32 {
        self.0
    }

    /// Whether a tracer decides.
    pub fn is_traced(self) -> bool {
        self.0 & !DATA == TRACE
    }

    /// Whether the thread or the process ends.
    pub fn is_kill(self) -> bool {
        self == Self::KILL_THREAD || self == Self::KILL_PROCESS
    }

    /// The number that the call fails with, where that is what becomes of it.
    pub fn errno(self) -> Option<u32> {
        (self.0 & !DATA == ERRNO).then_some(self.0 & DATA)
    }

    /// Whether the call isn't made, whoever watches.
    pub fn is_denial(self) -> bool {
        self.is_stricter(Self::NOTIFY)
    }

    /// Whether the call is made, logged or not, and nobody is asked.
    pub fn is_made(self) -> bool {
        self == Self::ALLOW || self == Self::LOG
    }

    /// Whether calls that nobody knew of when the profile was written can be left to it. A tracer is expected to know.
    pub(crate) fn lets_through(self) -> bool {
        self == Self::ALLOW || self == Self::LOG || self.0 & !DATA == TRACE
    }

    /// Whether it stands before another one where both apply (seccomp(2): the kernel takes the first of its list).
    pub(crate) fn is_stricter(self, other: Self) -> bool {
        let rank = |action: Self| (action.0 & !DATA).cast_signed();
        rank(self) < rank(other)
    }
}

impl Action {
    /// Its name in a configuration; none of a value that no configuration has.
    pub fn name(self) -> Option<&'static str> {
        // SCMP_ACT_KILL is the same as SCMP_ACT_KILL_THREAD, which says more.
        let kind = if self.0 & !DATA == ERRNO || self.0 & !DATA == TRACE {
            self.0 & !DATA
        } else {
            self.0
        };
        NAMES.iter().rev().find(|(_, known)| known.0 == kind).map(|(name, _)| *name)
    }

    /// The name of the number that the call fails with.
    pub fn errno_name(self) -> Option<&'static str> {
        errno::name(self.errno()?)
    }
}

/// Its name in a configuration, and the error's name or number where it takes one.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = self.0 & DATA;
        match self.0 & !DATA {
            ERRNO => match errno::name(data) {
                Some(name) => write!(f, "SCMP_ACT_ERRNO ({name})"),
                None => write!(f, "SCMP_ACT_ERRNO ({data})"),
            },
            TRACE => write!(f, "SCMP_ACT_TRACE ({data})"),
            _ => match self.name() {
                Some(name) => f.write_str(name),
                None => write!(f, "{:#010x}", self.0),
            },
        }
    }
}
