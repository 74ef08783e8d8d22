//! What the documents say of this repository is so.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod examples;
mod links;
mod names;
mod tree;
