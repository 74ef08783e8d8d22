//! System call filters: `linux.seccomp` of the OCI runtime specification 1.3 (config-linux.md) to a classic BPF program
//! for seccomp(2), without a C library and without system calls.
//!
//! The first rule in the profile's order decides whose conditions a call meets, else the default action. Calls that are
//! newer than everything that the profile knows fail with `ENOSYS`, unless the default action lets calls through.
//! Calls of architectures that aren't named, and aren't the kernel's own, end the thread.

mod action;
mod answer;
mod arch;
mod builtin;
mod calls;
mod compile;
mod condition;
mod constant;
mod danger;
mod decision;
mod difference;
mod engine;
mod errno;
mod error;
mod explain;
mod listing;
mod overruled;
mod profile;
mod program;
mod seen;
mod survey;
mod table;
#[cfg(test)]
mod tests;
mod tree;
mod word;

pub use action::Action;
pub use answer::Data;
pub use arch::Arch;
pub use builtin::{DEFAULT, unconfined};
pub use condition::operators;
pub use constant::value;
pub use difference::{Difference, TooComplex, differences};
pub use engine::{EngineProfile, Resolved, Setting, kernel_version};
pub use error::Error;
pub use explain::{Asked, Case, Reason};
pub use listing::Listing;
pub use overruled::Overruled;
pub use profile::Profile;
pub use program::{Instruction, MAX_INSTRUCTIONS, Program};
pub use seen::Seen;
pub use survey::{Hole, Survey};
pub use tree::Tree;
