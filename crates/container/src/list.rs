//! `list` and `ps`: what is in the state folder, and in a container.

use std::path::Path;

use coble_cgroup::Cgroup;

use crate::error::{Error, Result};
use crate::state::State;
use crate::status::state;
use crate::store::{ids, peek};

/// The containers of a state folder by name, and a warning for each that can't be read.
///
/// # Errors
/// The folder can't be read.
pub fn list(root: &Path) -> Result<(Vec<State>, Vec<String>)> {
    let (mut states, mut warnings) = (Vec::new(), Vec::new());
    for id in ids(root)? {
        match state(root, &id) {
            Ok(state) => states.push(state),
            Err(error) => warnings.push(format!("{id}: {error}")),
        }
    }
    Ok((states, warnings))
}

/// The names of the containers of a state folder, sorted: of those, too, whose state can't be read.
///
/// # Errors
/// The folder can't be read.
pub fn names(root: &Path) -> Result<Vec<String>> {
    ids(root)
}

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
