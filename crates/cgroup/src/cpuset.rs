//! The cpuset hierarchy of v1, where a new cgroup has no processors and no memory nodes at all.

use coble_sys::rustix::fs::{self, Access};
use coble_sys::rustix::io::Errno;

use crate::place::Place;
use crate::{Error, file};

/// What a cgroup needs before a process can enter it.
const NEEDED: [&str; 2] = ["cpus", "mems"];

/// Gives every cgroup above the container's that has none the processors and memory nodes of its parent. The
/// container's own come with its limits, see [`fill`].
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn fill_parents(place: &Place) -> Result<(), Error> {
    let parents: Vec<&str> = place.ancestors().collect();
    for pair in parents.windows(2).rev() {
        let [dir, parent] = pair else { continue };
        copy(dir, parent)?;
    }
    Ok(())
}

/// Gives the container's cgroup those of its parent where it has none of its own.
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn fill(place: &Place) -> Result<(), Error> {
    place.ancestors().next().map_or(Ok(()), |parent| copy(place.dir(), parent))
}

fn copy(dir: &str, parent: &str) -> Result<(), Error> {
    for name in NEEDED {
        let name = file_name(dir, name);
        if file::read(dir, &name)?.trim_end().is_empty() {
            file::write(dir, &name, file::read(parent, &name)?.trim_end())?;
        }
    }
    Ok(())
}

/// The file of that name; a hierarchy mounted with `noprefix` calls it `cpus` and not `cpuset.cpus`.
pub(crate) fn file_name(dir: &str, name: &str) -> String {
    let full = format!("cpuset.{name}");
    match fs::access(format!("{dir}/{full}"), Access::EXISTS) {
        Err(Errno::NOENT) => name.to_owned(),
        _ => full,
    }
}
