//! `resume`: lets the processes of a paused container go on.

use std::path::Path;

use coble_cgroup::Cgroup;

use crate::error::{Error, ErrorKind, Result};
use crate::status::status_of;
use crate::store::{Entry, absent};

/// Lets the processes of the container `id` go that [`crate::pause`] holds. Cgroups below the container's own that were
/// frozen by themselves stay so.
///
/// # Errors
/// There is no such container, it isn't paused (`container not paused`), or the kernel refuses.
pub fn resume(root: &Path, id: &str) -> Result<()> {
    let entry = Entry::find(root, id)?;
    let record = entry.read()?.ok_or_else(|| absent(id))?;
    let cgroup = Cgroup::from_record(&record.cgroup)?;
    let is_held = entry.is_held();
    if !record.init.is_alive()? || !(is_held || cgroup.frozen()?) {
        let status = status_of(&record, entry.stage(&record))?;
        let words = format!("container not paused: {id}");
        return Err(Error::of(ErrorKind::WrongStatus(status), words));
    }
    cgroup.thaw()?;
    if is_held { entry.let_go() } else { Ok(()) }
}
