//! A property of a unit.

use std::borrow::Cow;
use std::fmt;

use super::value::Value;

/// A property, and what to do if systemd doesn't know it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Property {
    pub(crate) name: Cow<'static, str>,
    pub(crate) value: Value,
    /// An older systemd may lack it, or refuse the value: the cgroup's files say the same.
    pub(crate) may_lack: bool,
}

impl Property {
    /// One that every systemd has.
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, value: Value) -> Self {
        Self { name: name.into(), value, may_lack: false }
    }

    /// One that some don't have.
    pub(crate) fn newer(name: impl Into<Cow<'static, str>>, value: Value) -> Self {
        Self { may_lack: true, ..Self::new(name, value) }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={} {}", self.name, self.value.signature(), self.value)
    }
}
