//! stub

pub mod capability;
pub mod mount_options;
pub mod rlimit;
pub mod signal;
pub mod timestamp;

#[cfg(test)]
mod prng;
