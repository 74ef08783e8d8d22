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

/// A process that is described wholly, with what runc takes from `container` where it isn't said: a process must not
/// be freer than the container for want of a word.
pub(crate) fn completed(process: &Process, container: &Process) -> Process {
    let mut process = process.clone();
    let or = |own: &mut String, other: &String| {
        if own.is_empty() {
            own.clone_from(other);
        }
    };
    or(&mut process.apparmor_profile, &container.apparmor_profile);
    or(&mut process.selinux_label, &container.selinux_label);
    if process.rlimits.is_empty() {
        process.rlimits.clone_from(&container.rlimits);
    }
    process.capabilities = process.capabilities.or_else(|| container.capabilities.clone());
    process.user.umask = process.user.umask.or(container.user.umask);
    process.oom_score_adj = process.oom_score_adj.or(container.oom_score_adj);
    process.scheduler = process.scheduler.or_else(|| container.scheduler.clone());
    process.io_priority = process.io_priority.or_else(|| container.io_priority.clone());
    process.exec_cpu_affinity =
        process.exec_cpu_affinity.or_else(|| container.exec_cpu_affinity.clone());
    process
}

#[cfg(test)]
mod tests;
