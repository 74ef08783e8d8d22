//! What a container's first process does, as a flat list of steps.
//!
//! A plan is written by the parent, which knows the configuration and the host, and read by the executor,
//! which knows neither. It has no branches, loops or variables. There is one form of it, the wire format:
//! a plan is printed, verified and executed from the same bytes.
#![no_std]

#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
mod describe;
mod list;
mod message;
#[cfg(feature = "std")]
mod plan;
mod step;
#[cfg(feature = "std")]
mod verify;
mod wire;

#[cfg(feature = "std")]
pub use list::ListBuf;
pub use list::{List, ListIter};
pub use message::{
    DONE, Failure, GO_ON, IN_CGROUP, LISTENED, MESSAGE_MAX, Message, NOBODYS, OPENED, filter_action,
};
#[cfg(feature = "std")]
pub use plan::Plan;
pub use step::Step;
#[cfg(feature = "std")]
pub use verify::{Disorder, verify};
pub use wire::{Reader, Steps};

/// The resource limits of getrlimit(2) by their numbers, those of `asm-generic/resource.h`, which x86_64 and
/// aarch64 use.
#[cfg(feature = "std")]
pub const RLIMITS: [&str; 16] = [
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
];

/// The modes of set_mempolicy(2) by their numbers, those of `linux/mempolicy.h`.
#[cfg(feature = "std")]
pub const MEMORY_POLICIES: [&str; 7] = [
    "MPOL_DEFAULT",
    "MPOL_PREFERRED",
    "MPOL_BIND",
    "MPOL_INTERLEAVE",
    "MPOL_LOCAL",
    "MPOL_PREFERRED_MANY",
    "MPOL_WEIGHTED_INTERLEAVE",
];

/// Flags of set_mempolicy(2), `linux/mempolicy.h`.
#[cfg(feature = "std")]
pub const MEMORY_POLICY_FLAGS: [(&str, u32); 3] = [
    ("MPOL_F_NUMA_BALANCING", 1 << 13),
    ("MPOL_F_RELATIVE_NODES", 1 << 14),
    ("MPOL_F_STATIC_NODES", 1 << 15),
];

/// Bits of the `flags` of steps that mount, change mounts, mask and make read-only, as far as they mean something to each.
pub mod mount {
    /// A tmpfs without `mode=` takes over the mode of the directory that it covers.
    pub const INHERIT_MODE: u32 = 1;
    /// What the directory holds is copied into the new file system before it covers it.
    pub const COPY_UP: u32 = 1 << 1;
    /// No part of the destination may be a symbolic link.
    pub const NO_SYMLINKS: u32 = 1 << 2;
    /// The destination may lie in a procfs.
    pub const OVER_PROC: u32 = 1 << 3;
    /// The superblock is made read-only, not only the mount.
    pub const SUPERBLOCK_RDONLY: u32 = 1 << 4;
    /// With all that is mounted below the source, or below what is changed.
    pub const RECURSIVE: u32 = 1 << 5;
    /// Set attributes through mount(2): the kernel has no mount_setattr(2).
    pub const CLASSIC_ATTRIBUTES: u32 = 1 << 6;
    /// The source is the one that is held; its path is the host's, and means nothing here.
    pub const HELD: u32 = 1 << 7;
    /// What is mounted has to be a procfs.
    pub const ONLY_PROCFS: u32 = 1 << 8;
    /// A source that the executor may not follow the path to is asked of the parent.
    pub const ASK_SOURCE: u32 = 1 << 9;
}
