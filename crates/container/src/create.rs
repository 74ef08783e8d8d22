//! `create`: makes a container that waits for `start`.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::make::{Making, Purpose};
use crate::pid_file::write_pid_file;

/// A container to be made.
#[derive(Clone, Debug, Default)]
pub struct Create {
    /// The state folder.
    pub root: PathBuf,
    /// The container's name: letters, digits, `_`, `+`, `-` and `.`.
    pub id: String,
    /// The bundle's directory.
    pub bundle: PathBuf,
    /// Where the process id is written.
    pub pid_file: Option<PathBuf>,
    /// Unix socket that gets the terminal.
    pub console_socket: Option<PathBuf>,
    /// Move the root instead of pivot_root(2).
    pub no_pivot: bool,
    /// Stay in the caller's session keyring.
    pub no_new_keyring: bool,
    /// Descriptors from 3 on that the program gets, besides those of `LISTEN_FDS`.
    pub preserve_fds: u32,
}

impl Create {
    /// Makes the container. It waits for [`crate::start`]. Returns what it doesn't get although it asks for it, as
    /// warnings.
    ///
    /// # Errors
    /// The first step that fails; then nothing is left of the container.
    pub fn execute(&self) -> Result<Vec<Error>> {
        let mut making = Making::begin(self, Purpose::Create)?;
        making.await_ready()?;
        write_pid_file(self.pid_file.as_deref(), making.executor()?.pid)?;
        let warnings = making.warnings();
        making.keep();
        Ok(warnings)
    }
}
