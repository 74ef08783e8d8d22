//! stub

pub mod capability;
pub mod rlimit;
pub mod signal;
pub mod timestamp;
