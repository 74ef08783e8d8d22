//! Containers that runc has made, of which coble takes over the care.
//!
//! Their directory holds runc's own `state.json`, `exec.fifo` until the container is started, and perhaps more.
//! Every verb works on the [`Record`] that is made of it here; what is not the same is in [`Runc`].

mod fifo;
mod format;
mod limits;
mod record;

use std::path::Path;

use coble_spec::{Process, Spec};

use crate::error::{Error, Result};
use crate::state::Record;

pub(crate) use fifo::{FIFO, release};
pub(crate) use limits::{patch, patch_schemata};
pub(crate) use record::record;

/// What is different with a container that runc has made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runc {
    pub(crate) filter: Filter,
}

/// The system call filter of the container's own process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Filter {
    #[default]
    None,
    /// A further process must have it, too.
    Needed,
    /// The container's configuration says that a process may go without it.
    LeftOut,
}

impl Runc {
    /// # Errors
    /// A further process would have more rights than the container's own.
    pub(crate) fn check_exec(&self) -> Result<()> {
        match self.filter {
            Filter::None | Filter::LeftOut => Ok(()),
            Filter::Needed => Err(Error::new(
                "state.json: /config/seccomp: system call filters are not supported yet",
            )),
        }
    }

    /// What a further process goes without, although the container's own process has it.
    pub(crate) fn warnings(&self) -> Vec<Error> {
        let words = "the process has no system call filter, which the container's own has: the annotation \
             \"coble.seccomp\" allows it";
        if self.filter == Filter::LeftOut { vec![Error::new(words)] } else { Vec::new() }
    }
}

/// What a further process is like unless it says otherwise. runc doesn't keep the variables, the directory and the
/// user; they are in the bundle still.
///
/// # Errors
/// The bundle is gone, or it has no process.
pub(crate) fn bundle_process(record: &Record) -> Result<Process> {
    let path = Path::new(&record.bundle).join("config.json");
    let text = std::fs::read(&path).map_err(|error| Error::at("read", &path, error))?;
    let spec: Spec = coble_spec::parse(&text)
        .map_err(|error| Error::new(format!("{}: {error}", path.display())))?;
    spec.process.ok_or_else(|| Error::new(format!("{}: /process: missing", path.display())))
}

#[cfg(test)]
mod tests;
