//! `pause`: holds all processes of a container.

use std::path::Path;

use coble_cgroup::Cgroup;

use crate::error::{Error, ErrorKind, Result};
use crate::state::Status;
use crate::status::status_of;
use crate::store::{Entry, Stage, absent};

/// Holds every process of the container `id`, which runs or waits for `start`, until [`crate::resume`]. When this
/// returns all of them are held.
///
/// # Errors
/// There is no such container, it doesn't run (`container not running`, also if it is paused already), it has no
/// freezer, or a process can't be held within ten seconds. Then none is.
pub fn pause(root: &Path, id: &str) -> Result<()> {
    let entry = Entry::find(root, id)?;
    let record = entry.read()?.ok_or_else(|| absent(id))?;
    let stage = entry.stage(&record);
    let status = status_of(&record, stage)?;
    let words = match status {
        Status::Running | Status::Created => None,
        Status::Stopped => Some(format!("container not running: {id}")),
        status => Some(format!("container not running: {id} is {status}")),
    };
    if let Some(words) = words {
        return Err(Error::of(ErrorKind::WrongStatus(status), words));
    }
    let cgroup = Cgroup::from_record(&record.cgroup)?;
    // One of runc's is known by its cgroup alone.
    if stage != Stage::Waiting || record.runc.is_some() {
        return Ok(cgroup.freeze()?);
    }
    // First of all nobody can start it any more: `start` would wait for what is held.
    entry.hold()?;
    Ok(cgroup.freeze().inspect_err(|_| {
        let _ = entry.let_go();
    })?)
}
