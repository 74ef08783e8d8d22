//! The command `coble`.
fn main() {}
