//! Has the linker put what `run` doesn't need behind the rest (cold.ld).

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=cold.ld");
    let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/cold.ld");
}
