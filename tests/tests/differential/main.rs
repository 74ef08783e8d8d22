//! coble and the distribution's runc on the same bundle: what the container's process sees has to be the same.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod compare;
mod exec;
mod generate;
mod ground;
mod host;
mod known;
#[path = "../../../crates/container/src/prng.rs"]
mod prng;
mod properties;
mod random;
mod setup;
mod shrink;
mod status;
mod view;
