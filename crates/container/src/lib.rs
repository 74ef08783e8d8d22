//! stub

pub mod capability;
pub mod mount_options;
pub mod rlimit;
pub mod signal;
pub mod sysctl;
pub mod timestamp;
pub mod user_db;

#[cfg(test)]
mod prng;
