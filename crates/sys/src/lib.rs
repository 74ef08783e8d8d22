//! System calls under their man-2 names: [`rustix`], and what it lacks. And what [`mountinfo`] says.
//!
//! No std and no allocation, so that the executor in the container's first process can use it. What the feature `std` adds
//! is for the parent.
#![no_std]

#[cfg(feature = "std")]
extern crate std;

mod arch;
pub mod bpf;
mod clone3;
mod errand;
mod exec;
mod interface;
mod mount_setattr;
pub mod mountinfo;
mod namespace;
mod netlink;
pub mod notification;
mod open_tree;
mod process;
pub mod ptrace;
mod resource;
mod route;
mod seccomp;
mod signal;
mod spawn;
mod streams;
mod thread;
pub mod userfaultfd;
#[cfg(feature = "std")]
mod without;
#[cfg(feature = "std")]
mod words;

pub use clone3::{Child, Entry};
pub use exec::{execve, fexecve};
pub use interface::loopback_up;
/// For its constants; none of its functions is used.
pub use libc;
pub use mount_setattr::{MountAttr, mount_setattr};
pub use namespace::{setns, unshare};
pub use netlink::netlink_explain;
pub use open_tree::open_tree_of;
pub use process::{
    CPU_MASK, SchedAttr, exit_group, fork, getcwd, ioprio_set, keyctl_describe,
    keyctl_join_session_keyring, keyctl_setperm, personality, sched_getaffinity, sched_setaffinity,
    sched_setattr, set_mempolicy,
};
use process::{close_range, close_range_cloexec};
pub use resource::{resource, rlimit};
pub use route::keep_loopback_inside;
pub use rustix;
pub use seccomp::{
    FILTER_FLAG_NEW_LISTENER, seccomp_knows, seccomp_new_listener, seccomp_set_mode_filter,
};
pub use signal::{
    SignalSet, pidfd_send_signal, sigaction_default, sigaction_ignore, sigaction_is_ignored,
    signalfd, sigprocmask,
};
pub use spawn::{Program, SPAWN_FAILED, Spawn, close_from};
pub use streams::open_closed_streams;
pub use thread::{exit_thread, start_thread};
#[cfg(feature = "std")]
pub use without::without;
#[cfg(feature = "std")]
pub use words::{errno_words, error_words};
