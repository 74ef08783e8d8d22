//! `state`: what is known of a container.

use std::path::Path;

use coble_cgroup::Cgroup;
use coble_spec::{Namespace, NamespaceKind};

use crate::error::Result;
use crate::out_of_memory::{self, OOM_KILL};
use crate::passwd::names_of;
use crate::state::{Record, State, Status};
use crate::store::{Stage, peek};

/// The state of the container `id`.
///
/// # Errors
/// There is no such container, or its record can't be read.
pub fn state(root: &Path, id: &str) -> Result<State> {
    let (record, stage) = peek(root, id)?;
    let status = status_of(&record, stage)?;
    Ok(state_of(record, status))
}

/// Where in its life a container is, by its process, its socket and its cgroup.
pub(crate) fn status_of(record: &Record, stage: Stage) -> Result<Status> {
    if !record.init.is_alive()? {
        return Ok(Status::Stopped);
    }
    Ok(match stage {
        Stage::Making => Status::Creating,
        // While it is paused it isn't in this stage.
        Stage::Waiting if record.runc.is_none() => Status::Created,
        Stage::Waiting | Stage::Started if is_paused(record) => Status::Paused,
        Stage::Waiting => Status::Created,
        Stage::Started => Status::Running,
    })
}

/// A cgroup that can't be asked is not frozen: it may be gone with its last process.
pub(crate) fn is_paused(record: &Record) -> bool {
    Cgroup::from_record(&record.cgroup).and_then(|cgroup| cgroup.frozen()).unwrap_or(false)
}

/// Whether the container's end is the end of all its processes.
pub(crate) fn has_own_pids(namespaces: &[Namespace]) -> bool {
    namespaces.iter().any(|own| own.kind == NamespaceKind::Pid && own.path.is_empty())
}

pub(crate) fn state_of(mut record: Record, status: Status) -> State {
    if status == Status::Stopped {
        let count = out_of_memory::count_of(&record);
        let told = (count > 0).then(|| (OOM_KILL.to_owned(), count.to_string()));
        record.annotations.extend(told);
    }
    State {
        pid: if status == Status::Stopped { 0 } else { record.init.pid },
        status,
        owner: owner(record.owner),
        oci_version: record.oci_version,
        id: record.id,
        bundle: record.bundle,
        rootfs: record.rootfs,
        created: record.created,
        annotations: record.annotations,
    }
}

/// The name of a user in the host's passwd(5), or the number.
fn owner(uid: u32) -> String {
    if uid == 0 {
        return "root".to_owned();
    }
    names_of(uid).into_iter().next().unwrap_or_else(|| uid.to_string())
}
