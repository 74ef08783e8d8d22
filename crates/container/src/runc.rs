//! Containers that runc has made, of which coble takes over the care.
//!
//! Their directory holds runc's own `state.json`, `exec.fifo` until the container is started, and perhaps more.
//! Every verb works on the [`Record`] that is made of it here; what is not the same is in [`Runc`].

mod fifo;
mod filter;
mod format;
mod limits;
mod record;

use std::path::Path;

use coble_spec::{Process, Spec};

use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::state::Record;

pub(crate) use fifo::{FIFO, release};
pub(crate) use limits::{patch, patch_schemata};
pub(crate) use record::record;

/// What is different with a container that runc has made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runc {
    pub(crate) filter: Option<format::Filter>,
}

impl Runc {
    /// What a further process runs under, as the container's own does.
    ///
    /// # Errors
    /// It can't be understood or can't be carried out: the process would have more rights than the container's own.
    pub(crate) fn filter(&self) -> Result<Option<Filter>> {
        let Some(own) = &self.filter else { return Ok(None) };
        let section = filter::section(own)?;
        Filter::compile(&section)
            .map(Some)
            .map_err(|invalid| Error::new(format!("state.json: /config/seccomp{invalid}")))
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
