//! `delete`: removes what is left of a container.

use std::path::Path;

use coble_cgroup::Cgroup;

use crate::error::{Error, ErrorKind, Result};
use crate::hooks;
use crate::kill::end;
use crate::resctrl::Group;
use crate::state::{Record, Status};
use crate::status::{has_own_pids, status_of};
use crate::store::{Entry, absent};
use crate::told_state::ToldState;

/// Removes the container `id`, which has stopped or was never started; with `force` in any state, and one
/// that is not there is none to remove. Returns the poststop hooks that failed, as warnings.
///
/// # Errors
/// There is no such container, it runs, or something can't be removed.
pub fn delete(root: &Path, id: &str, force: bool) -> Result<Vec<Error>> {
    let in_the_way = |entry: &Entry| if force { end_made_one(entry) } else { Ok(()) };
    let Some(entry) = Entry::look_for(root, id, in_the_way)? else {
        return if force { Ok(Vec::new()) } else { Err(absent(id)) };
    };
    match entry.read() {
        Ok(Some(record)) => delete_recorded(&entry, &record, force),
        Ok(None) if force => delete_unfinished(&entry).map(|()| Vec::new()),
        Err(error) if force => delete_unreadable(&entry, error).map(|()| Vec::new()),
        Ok(None) => Err(absent(id)),
        Err(error) => Err(error),
    }
}

/// Another command makes the container, and may wait for a hook that never ends: without its process there is
/// nothing to make any more, and it gives up.
fn end_made_one(entry: &Entry) -> Result<()> {
    entry.read()?.map_or(Ok(()), |record| end(&record))
}

fn delete_recorded(entry: &Entry, record: &Record, force: bool) -> Result<Vec<Error>> {
    let status = status_of(record, entry.stage(record))?;
    if !force && !matches!(status, Status::Stopped | Status::Created) {
        let id = &record.id;
        let words = format!("cannot delete container {id} that is not stopped: {status}");
        return Err(Error::of(ErrorKind::WrongStatus(status), words));
    }
    let cgroup = Cgroup::from_record(&record.cgroup)?;
    if status == Status::Paused {
        // A frozen process ends only once it is thawed, which killing its cgroup does.
        cgroup.kill()?;
    }
    if status != Status::Stopped {
        end(record)?;
    }
    end_all(entry, &cgroup, has_own_pids(&record.namespaces))?;
    record.intel_rdt.as_ref().map_or(Ok(()), Group::remove)?;
    if record.runc.is_some() {
        entry.remove_all()?;
    } else {
        entry.remove()?;
    }
    let Some(hooks) = &record.hooks else { return Ok(Vec::new()) };
    let state = ToldState::of_record(record, Status::Stopped).text(record.init.pid);
    let bundle = Path::new(&record.bundle);
    Ok(hooks::run_poststop(&hooks.poststop, &state, bundle, &record.annotations))
}

/// The runtime was killed before it had written the record. All that it had started was the executor, which ends
/// with it: any other process in the cgroup was there before, and is not the container's.
fn delete_unfinished(entry: &Entry) -> Result<()> {
    if let Some(record) = entry.recorded_cgroup() {
        match Cgroup::from_record(&record)?.remove() {
            Ok(()) | Err(coble_cgroup::Error::Busy { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    entry.recorded_group().map_or(Ok(()), |group| group.take_back())?;
    entry.remove()
}

/// The container's cgroup tells what is left of it. Where only the unreadable record knew it, as with runc, nobody
/// would find what runs once the record is gone.
fn delete_unreadable(entry: &Entry, error: Error) -> Result<()> {
    let Some(record) = entry.recorded_cgroup() else { return Err(error) };
    end_all(entry, &Cgroup::from_record(&record)?, false)?;
    entry.recorded_group().map_or(Ok(()), |group| group.remove())?;
    entry.remove()
}

/// Removes the cgroup of a container whose first process has ended, and ends the others, of which there are none
/// if it had a pid namespace of its own, pid_namespaces(7).
pub(crate) fn end_all(entry: &Entry, cgroup: &Cgroup, has_own_pids: bool) -> Result<()> {
    if !has_own_pids && !cgroup.procs()?.is_empty() {
        cgroup.kill()?;
    }
    entry.tell_last_oom_events(cgroup);
    Ok(cgroup.remove()?)
}
