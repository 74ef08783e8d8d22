//! `mounts add` and `mounts remove`: mounts of a container that is there already.

use std::collections::BTreeMap;
use std::path::Path;

use coble_plan::{Plan, verify};
use coble_spec::{Linux, Mount, NamespaceKind, Spec};
use coble_sys::rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use crate::compile::{self, Job, Options};
use crate::error::{Error, ErrorKind, Result};
use crate::executor::{Executor, Request, Said, Start, reap};
use crate::explain::explain;
use crate::facts::Facts;
use crate::selinux;
use crate::sources::Sources;
use crate::state::{Record, Status};
use crate::status::status_of;
use crate::store::{Entry, absent};
use crate::validate::{validate_destinations, validate_new_mounts};

/// Adds mounts to the container `id`, which waits, runs or is paused: bind mounts, and new file systems that need
/// nothing of the host (tmpfs, ramfs, mqueue, hugetlbfs, devpts). Types and options are those of `config.json`
/// (config.md, "Mounts"); the pointers in errors are those into a configuration with these mounts.
///
/// A source is opened here, in the host's mount namespace, and its mounts don't tell the host what happens in the
/// container (slave, unless the options say otherwise). A destination is found inside the container's root, and made if it
/// is missing; no part of it may be a symbolic link. In a container with a user namespace a source must lie on a mount without
/// restrictions (`ro`, `nosuid`, `nodev`, `noexec`), and is mounted without what is below it (no `rbind`): nothing would
/// lock these restrictions there (mount_namespaces(7)), as they are when the container is made. Nothing is recorded: the mounts are there as long as the container.
///
/// # Errors
/// There is no such container, it has stopped, or it shares the host's mounts; a mount that can't be made. Then none of
/// them is left. Linux 5.12 is needed, for mount_setattr(2).
pub fn add_mounts(root: &Path, id: &str, mounts: &[Mount]) -> Result<()> {
    let target = Target::find(root, id)?;
    let facts = Facts::look()?;
    if !facts.has_mount_setattr {
        return Err(Error::new("mounts can't be added without mount_setattr(2) (Linux 5.12)"));
    }
    validate_new_mounts(mounts)
        .map_err(|invalid| Error::config(&invalid.pointer, format!("mounts: {invalid}")))?;
    let has_user = target.record.has(NamespaceKind::User);
    let sources = Sources::of_new(Path::new(&target.record.bundle), mounts, has_user)?;
    let spec = Spec {
        mounts: mounts.to_vec(),
        annotations: target.annotations(),
        linux: Some(Linux {
            namespaces: target.record.namespaces.clone(),
            mount_label: target.record.mount_label.clone(),
            ..Linux::default()
        }),
        ..Spec::default()
    };
    let job = Job {
        spec: &spec,
        filter: None,
        id,
        bundle: Path::new(&target.record.bundle),
        rootfs: Path::new(&target.record.rootfs),
        facts: &facts,
        legacy: &[],
        sources: &sources.numbers(),
        hook_output: [-1; 2],
        unified: None,
        options: Options { only_held: true, ..Options::default() },
    };
    let plan = compile::add_mounts(&job, &target.entrance())?;
    target.execute(&plan, &sources.descriptors()).map_err(|failed| {
        target.take_back(&failed, &plan, mounts);
        failed.error
    })
}

/// Removes what is mounted on the destinations of `mounts` in the container `id`, with all below, the last one first.
/// Nothing but the destinations is looked at. What still uses a mount keeps it until it is done (`MNT_DETACH`, umount(2)).
///
/// # Errors
/// There is no such container, it has stopped, or it shares the host's mounts; a destination that is no mount point, or
/// holds a symbolic link: a process of the container could have put it there. Mounts behind the first one that fails are
/// gone.
pub fn remove_mounts(root: &Path, id: &str, mounts: &[Mount]) -> Result<()> {
    let target = Target::find(root, id)?;
    validate_destinations(mounts)
        .map_err(|invalid| Error::config(&invalid.pointer, format!("mounts: {invalid}")))?;
    let plan = compile::remove_mounts(mounts, &target.entrance())?;
    target.execute(&plan, &[]).map_err(|failed| failed.error)
}

/// A container whose mounts are to be changed, locked.
struct Target {
    _entry: Entry,
    record: Record,
    pidfd: OwnedFd,
}

/// Why a plan was not carried out to its end.
struct Failed {
    error: Error,
    /// Index of the step.
    step: u32,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, step: 0 }
    }
}

impl Target {
    fn find(root: &Path, id: &str) -> Result<Self> {
        let entry = Entry::find(root, id)?;
        let record = entry.read()?.ok_or_else(|| absent(id))?;
        let stopped = |status| {
            Error::of(ErrorKind::WrongStatus(status), format!("container not running: {id}"))
        };
        let status = status_of(&record, entry.stage(&record))?;
        if matches!(status, Status::Stopped | Status::Creating) {
            return Err(stopped(status));
        }
        if !record.has(NamespaceKind::Mount) {
            return Err(Error::new(format!(
                "container {id} has no mount namespace of its own: its mounts are the host's"
            )));
        }
        let pidfd = record.init.pidfd()?.ok_or_else(|| stopped(Status::Stopped))?;
        Ok(Self { _entry: entry, record, pidfd })
    }

    /// Those that say how its mounts are made: none of a container of runc, which knows none.
    fn annotations(&self) -> BTreeMap<String, String> {
        match self.record.runc {
            None => self.record.annotations.clone(),
            Some(_) => BTreeMap::new(),
        }
    }

    /// The way into its namespaces.
    fn entrance(&self) -> compile::Entrance<'_> {
        compile::Entrance { pidfd: self.pidfd.as_raw_fd(), namespaces: &self.record.namespaces }
    }

    fn execute(&self, plan: &Plan, sources: &[BorrowedFd<'_>]) -> std::result::Result<(), Failed> {
        debug_assert_eq!(verify(plan), Ok(()));
        let mut keep = vec![self.pidfd.as_fd()];
        keep.extend(sources);
        let executor = Executor::start(&Start {
            plan,
            namespaces: &compile::Namespaces::default(),
            cgroup: None,
            gated: false,
            listener: None,
            preserve_fds: 0,
            keep: &keep,
            streams: [None; 3],
        })?;
        let outcome = listen(&executor, plan);
        if outcome.is_err() {
            executor.destroy();
        }
        outcome
    }

    /// Removes the mounts that were made before one failed. The error to tell is that one.
    fn take_back(&self, failed: &Failed, plan: &Plan, mounts: &[Mount]) {
        let done = plan.iter().take(failed.step as usize);
        let count = done.filter(|(step, _)| compile::makes_mount(step)).count();
        let taken = compile::remove_mounts(&mounts[..count.min(mounts.len())], &self.entrance());
        let _ = taken.map(|plan| self.execute(&plan, &[]).is_ok());
    }
}

/// Listens to the executor until it has ended.
fn listen(executor: &Executor, plan: &Plan) -> std::result::Result<(), Failed> {
    let mut is_done = false;
    loop {
        match executor.listen(None)? {
            Said::Ready => is_done = true,
            Said::Asks(Request::Relabel(step, file)) => {
                let done = selinux::relabel(plan, step, file.as_fd());
                done.map_err(|error| Failed { error, step })?;
                executor.answer_done()?;
            }
            Said::Nothing if is_done => return Ok(reap(executor.pidfd.as_fd()).map(drop)?),
            Said::Nothing => return Err(executor.silence().into()),
            Said::Failed { step, errno, action, detail } => {
                let error = explain(plan, step, errno, &action, &detail);
                return Err(Failed { error, step });
            }
            _ => return Err(Error::new("the executor said what it has no step for").into()),
        }
    }
}
