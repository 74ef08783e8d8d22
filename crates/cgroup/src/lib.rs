//! The control groups of a container: cgroup v2, v1, and both at once (hybrid), by their files.
//!
//! A [`Cgroup`] is one directory in every hierarchy. It is [located](Cgroup::locate) from the
//! configuration, or taken from a [`Record`] without asking the kernel; every method is a few
//! system calls and no more.
//!
//! ```no_run
//! # fn main() -> Result<(), coble_cgroup::Error> {
//! # let resources = coble_spec::Resources::default();
//! let mut cgroup = coble_cgroup::Cgroup::locate(&coble_cgroup::Hierarchy::detect()?, "", "name")?;
//! cgroup.create(false)?;
//! cgroup.apply(&resources, &[], false)?;
//! let directory = cgroup.fd()?; // for clone3(2)
//! # let pid = 0;
//! if cgroup.needs_enter() {
//!     cgroup.enter(pid, directory.is_some())?;
//! }
//! cgroup.kill()?;
//! cgroup.remove()?;
//! # Ok(())
//! # }
//! ```

mod adopt;
mod apply;
mod cgroup;
mod cgroup_mount;
mod cpuset;
mod create;
mod deadline;
mod delegate;
mod devices;
mod error;
mod events;
mod file;
mod freezer;
mod hierarchy;
mod hindrance;
mod kill;
mod limits;
mod membership;
mod mounts;
mod oom;
mod oom_kills;
mod path;
mod place;
mod processes;
mod record;
mod remedy;
mod remove;
#[cfg(test)]
mod snapshots;
mod stats;
mod sub;
mod subtree;
mod systemd;
mod tree;
mod update;

pub use apply::Applied;
pub use cgroup::Cgroup;
pub use create::Creation;
pub use error::Error;
pub use hierarchy::{Hierarchy, Kind};
pub use limits::cpu_weight;
pub use mounts::ContainerMount;
pub use oom::OomWatch;
pub use record::Record;
pub use stats::{
    BlkioEntry, BlkioStats, CpuStats, CpuUsage, CpusetStats, HugetlbStats, MemoryEntry,
    MemoryStats, PidsStats, Pressure, PressureLine, Stats, Throttling,
};
pub use sub::SubCgroups;
pub use systemd::{Starting, UNIT_PROPERTIES, UnitRequest};
