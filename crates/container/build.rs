//! Builds the executor, coble-stage's program, which is embedded in the library.
//!
//! It has no std, so it needs flags of its own and can't come from the same call of cargo.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// No C library and no start-up code; nothing in the file that is not run.
const FLAGS: [&str; 8] = [
    "-Cpanic=abort",
    "-Ctarget-feature=+crt-static",
    "-Crelocation-model=static",
    "-Copt-level=s",
    "-Clink-arg=-nostartfiles",
    "-Clink-arg=-nostdlib",
    "-Clink-arg=-static",
    "-Clink-arg=-Wl,--build-id=none,--gc-sections,-z,norelro,-z,noseparate-code,--no-eh-frame-hdr",
];

fn main() {
    let out = PathBuf::from(variable("OUT_DIR"));
    let crates = Path::new(&variable("CARGO_MANIFEST_DIR")).join("..");
    let target = variable("TARGET");
    for name in ["plan", "stage", "sys"] {
        println!("cargo::rerun-if-changed={}", crates.join(name).join("src").display());
        println!("cargo::rerun-if-changed={}", crates.join(name).join("Cargo.toml").display());
    }
    // The versions of what it is linked with, and how it is compiled.
    for name in ["Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", crates.join("..").join(name).display());
    }
    let built = out.join("stage");
    let status = Command::new(variable("CARGO"))
        .args(["build", "--release", "--quiet", "--bin", "coble-stage", "--features", "program"])
        .arg("--manifest-path")
        .arg(crates.join("stage/Cargo.toml"))
        .arg("--target-dir")
        .arg(&built)
        .args(["--target", &target])
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("CARGO_BUILD_TARGET")
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("building the executor failed: {status}"),
        Err(error) => panic!("{}: {error}", variable("CARGO")),
    }
    let program = built.join(&target).join("release/coble-stage");
    println!("cargo::rustc-env=COBLE_STAGE={}", program.display());
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
