//! Which binary is tested.

use std::env;
use std::path::PathBuf;

/// The binary under test: `COBLE`, or `coble` beside the folder of the running test's own executable
/// (`target/.../debug/deps/NAME-HASH` leads to `target/.../debug/coble`).
///
/// # Panics
/// When there is none: a test of nothing must not pass.
#[must_use]
pub fn binary() -> PathBuf {
    let path = env::var_os("COBLE").map_or_else(built, PathBuf::from);
    assert!(path.is_file(), "{} isn't there: build it first, or set COBLE", path.display());
    path.canonicalize().expect("the binary's path")
}

fn built() -> PathBuf {
    let test = env::current_exe().expect("the test's own path");
    let profile = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps/TEST");
    profile.join("coble")
}

/// The name that the binary under test calls itself by in its messages.
///
/// # Panics
/// When the binary isn't there.
#[must_use]
pub fn name() -> String {
    binary().file_name().expect("a file").to_string_lossy().into_owned()
}
