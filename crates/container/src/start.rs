//! `start`: runs the program of a container that waits for it.

use std::ffi::OsStr;
use std::path::Path;

use coble_cgroup::Cgroup;
use coble_sys::rustix::fd::AsFd;

use crate::error::{Error, ErrorKind, Result};
use crate::hook_output::HookOutput;
use crate::hooks::{self, Setting};
use crate::interrupt::Watch;
use crate::notify::Notify;
use crate::out_of_memory::OomKills;
use crate::rendezvous::Waiting;
use crate::runc;
use crate::state::{Record, Status};
use crate::status::status_of;
use crate::store::{Entry, absent};
use crate::told_state::ToldState;

/// Runs the program of the container `id`.
///
/// # Errors
/// The container is not waiting, or its program can't be run.
pub fn start(root: &Path, id: &str) -> Result<()> {
    let (entry, record) = waiting(root, id)?;
    run(&entry, &record)
}

/// The same; then waits until the program says that it is ready, or ends, and tells the service manager at `socket`, which
/// the container must have been created with (`notify_socket` of [`Create`](crate::Create)). Returns why the service
/// manager could not be told, as a warning: the program runs all the same.
///
/// # Errors
/// Those of [`start`]; nobody listens at `socket`.
pub fn start_notifying(root: &Path, id: &str, socket: &OsStr) -> Result<Vec<Error>> {
    let (entry, record) = waiting(root, id)?;
    let notify = Notify::begin(&entry, socket, &record.mount_label)?;
    let pidfd = record.init.pidfd()?;
    run(&entry, &record)?;
    let Some(pidfd) = pidfd else { return Ok(Vec::new()) };
    Ok(notify.await_ready(pidfd.as_fd(), record.init.pid).err().into_iter().collect())
}

/// The container, locked, if it waits.
fn waiting(root: &Path, id: &str) -> Result<(Entry, Record)> {
    let entry = Entry::find(root, id)?;
    let record = entry.read()?.ok_or_else(|| absent(id))?;
    refuse_started(status_of(&record, entry.stage(&record))?)?;
    Ok((entry, record))
}

fn run(entry: &Entry, record: &Record) -> Result<()> {
    let cgroup = Cgroup::from_record(&record.cgroup)?;
    let released = match record.runc {
        Some(_) => runc::release(entry.as_fd(), record.init, &cgroup),
        None => Waiting { entry, record, cgroup: &cgroup }.release(),
    };
    entry.set_started(record)?;
    // A hook may have been killed for want of memory.
    let oom_kills = OomKills::since(&cgroup, record.former_oom_kills);
    released.map_err(|error| oom_kills.explain(error))?;
    entry.unlock()?;
    run_poststart(record)
}

fn refuse_started(status: Status) -> Result<()> {
    let words = match status {
        Status::Created => return Ok(()),
        Status::Stopped => "cannot start a container that has stopped",
        Status::Running => "cannot start an already running container",
        Status::Paused => "cannot start a container in the paused state",
        Status::Creating => "cannot start a container that is being created",
    };
    Err(Error::of(ErrorKind::WrongStatus(status), words))
}

/// A container whose hook fails is stopped (runtime.md, "Lifecycle", step 9).
fn run_poststart(record: &Record) -> Result<()> {
    let Some(hooks) = record.hooks.as_ref().filter(|hooks| !hooks.poststart.is_empty()) else {
        return Ok(());
    };
    let state = ToldState::of_record(record, Status::Running).text(record.init.pid);
    let ran = HookOutput::open(&record.annotations).and_then(|output| {
        let setting = Setting { state: &state, bundle: Path::new(&record.bundle), output: &output };
        hooks::run("poststart", &hooks.poststart, &setting, &mut Watch::default())
    });
    if ran.is_err() {
        crate::kill::end(record)?;
    }
    ran
}
