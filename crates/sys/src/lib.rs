//! System calls under their man-2 names.
#![no_std]
pub use rustix;
