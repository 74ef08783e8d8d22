//! Cgroups that systemd makes: a container's is that of a unit, a scope or a slice, whose properties are its limits.
//!
//! systemd takes part when the unit is made, changed and removed. Between that the cgroup is like any other: it is found
//! by its path, and processes go into it without a word to systemd, which has delegated it. Everything that is set as a
//! property is written to the cgroup's files as well, and so are the limits that systemd has no property for.

mod annotation;
mod attach;
mod bus;
mod files;
mod locate;
mod message;
mod patience;
mod property;
mod quota;
mod request;
mod start;
mod stop;
mod unit;
mod update;
mod value;

pub use annotation::PREFIX as UNIT_PROPERTIES;
pub use request::UnitRequest;
pub use start::Starting;
pub(crate) use stop::stop;
pub(crate) use unit::{Manager, Unit};
