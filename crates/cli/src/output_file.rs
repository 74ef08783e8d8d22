//! A file that is written whole at the end, or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A file to be written. What isn't finished leaves nothing, and what was there stays.
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: PathBuf,
    /// Beside it.
    new: PathBuf,
    file: File,
}

impl OutputFile {
    /// Finds out whether it can be written.
    ///
    /// # Errors
    /// Its folder is missing, or not the caller's to write in.
    pub(crate) fn begin(path: &Path) -> Result<Self, Failure> {
        let failed = |error: &std::io::Error| Failure::io(path.display(), error);
        let Some(name) = path.file_name() else {
            return Err(Failure::new(format!("{}: not the name of a file", path.display())));
        };
        // The working directory is another one's business.
        let path = std::path::absolute(path).map_err(|error| failed(&error))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let new = path.with_file_name(hidden);
        let file = File::create_new(&new).map_err(|error| failed(&error))?;
        Ok(Self { path, new, file })
    }

    /// Writes it.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn finish(mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes());
        written
            .and_then(|()| fs::rename(&self.new, &self.path))
            .map_err(|error| Failure::io(self.path.display(), &error))
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        // Gone if it was finished.
        let _ = fs::remove_file(&self.new);
    }
}
