//! System call filters: `linux.seccomp` of the OCI runtime specification 1.3 (config-linux.md) to a classic BPF program
//! for seccomp(2), without a C library and without system calls.
//!
//! The first rule in the profile's order decides whose conditions a call meets, else the default action. Calls that are
//! newer than everything that the profile knows fail with `ENOSYS`, unless the default action lets calls through.
//! Calls of architectures that aren't named, and aren't the kernel's own, end the thread.

mod action;
mod answer;
mod arch;
mod calls;
mod compile;
mod condition;
mod decision;
mod error;
mod profile;
mod program;
mod table;
#[cfg(test)]
mod tests;

pub use action::Action;
pub use answer::Data;
pub use arch::Arch;
pub use condition::operators;
pub use error::Error;
pub use profile::Profile;
pub use program::{Instruction, MAX_INSTRUCTIONS, Program};
