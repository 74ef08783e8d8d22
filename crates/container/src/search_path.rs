//! The host's programs by their names.

use std::env;
use std::path::PathBuf;

use coble_sys::rustix::fs::{Access, access};

/// Where programs are looked for if `PATH` doesn't say, exec(3).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A program in the caller's `PATH`.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file() && access(path, Access::EXEC_OK).is_ok())
}
