//! coble, crun and runc on the same `linux.resources`: the files of the container's cgroup say the same, and so do its
//! devices.
//!
//! The other two are those of Debian 13, crun 1.21 and runc 1.1.15, which `cargo xtask test` fetches. cgroup v1 is what a
//! machine has; v2 alone needs one with controllers in it, such as the virtual machine.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod compare;
mod generate;
mod ground;
mod known;
mod machine;
mod peers;
#[path = "../../../crates/container/src/prng.rs"]
mod prng;
mod random;
mod shrink;
