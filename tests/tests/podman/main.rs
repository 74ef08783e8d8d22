//! Podman as a plain user, and as root, with the binary under test as its runtime.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod background;
mod cgroups;
mod files;
mod ids;
mod root;
mod run;
