//! The file in which engines find a process id.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes the number without a line end, whole or not at all.
///
/// # Errors
/// The file can't be written.
pub(crate) fn write_pid_file(path: Option<&Path>, pid: i32) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let failed = |error| Error::at("write", path, error);
    let name = path.file_name().ok_or_else(|| Error::new("the pid file has no name"))?;
    let new = path.with_file_name(format!(".{}", name.to_string_lossy()));
    // Left by a runtime that was killed, or a link that somebody has put there.
    let _ = std::fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&new).map_err(failed)?;
    let written = file.write_all(pid.to_string().as_bytes());
    written.and_then(|()| std::fs::rename(&new, path)).map_err(|error| {
        // The error to tell is the first.
        let _ = std::fs::remove_file(&new);
        failed(error)
    })
}
