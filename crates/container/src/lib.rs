//! stub

pub mod capability;
pub mod mount_options;
pub mod rlimit;
pub mod signal;
pub mod sysctl;
pub mod timestamp;
pub mod user_db;
pub mod validate;

#[cfg(test)]
mod prng;
