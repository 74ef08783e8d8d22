//! `ps`: what is in a container.

use std::path::Path;

use coble_cgroup::Cgroup;

use crate::error::{Error, Result};
use crate::store::peek;

/// The processes of the container `id`, in the caller's pid namespace.
///
/// # Errors
/// There is no such container, or its cgroup can't be read.
pub fn processes(root: &Path, id: &str) -> Result<Vec<i32>> {
    let (record, _) = peek(root, id)?;
    let cgroup = Cgroup::from_record(&record.cgroup)?;
    if cgroup.is_nowhere() {
        return Err(Error::new(format!("container {id} has no cgroup that knows its processes")));
    }
    Ok(cgroup.procs()?)
}
