//! The state folder: a directory for each container.
//!
//! In it: `state.json`, the record, written by rename whenever it changes; `config.json`, the configuration, if it is not
//! that of the bundle; `start`, a socket that is there until the container is started,
//! and called `held` as long as that container is paused, when it can't be;
//! `cgroup`, a symbolic link whose target names the cgroup, made before the cgroup is, so that a runtime that
//! was killed leaves nothing that can't be found, and called `making` as long as the container is being made;
//! `filter`, the program that filters system calls, if there is one;
//! `resctrl`, a link of the same kind as `cgroup`, if it has a resctrl class;
//! `oom`, if somebody watches for want of memory (`store/oom.rs`);
//! `notify`, a folder with a socket, if a service manager is to be told (`store/notify.rs`).
//! The directory itself is the container's lock.
//!
//! A directory that runc has made has runc's `state.json` ([`crate::runc`]).

mod notify;
mod oom;
mod record;

use std::ffi::CStr;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use coble_cgroup::Record as CgroupRecord;
use coble_spec::Spec;
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{
    Access, AtFlags, CWD, FlockOperation, Mode, OFlags, accessat, flock, fstat, mkdirat, openat,
    readlinkat, renameat, symlinkat, unlinkat,
};
use coble_sys::rustix::io::{Errno, write};
use coble_sys::rustix::process::geteuid;
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::filter::Filter;
use crate::resctrl::Group;
use crate::runc;
use crate::state::Record;
use crate::validate::validate_id;
pub(crate) use oom::hear_last_oom_events;
use record::read_record;

const STATE: &CStr = c"state.json";
const STATE_NEW: &CStr = c".state.json.new";
const CGROUP: &CStr = c"cgroup";
const MAKING: &CStr = c"making";
const CONFIG: &CStr = c"config.json";
const FILTER: &CStr = c"filter";
const START: &CStr = c"start";
const HELD: &CStr = c"held";
const RESCTRL: &CStr = c"resctrl";
const OOM: &CStr = c"oom";

/// How long a command waits for another one that holds the lock.
const LOCKED_MAX: Duration = Duration::from_secs(10);

/// How often a directory is emptied once more: nobody begins to watch a container so often.
const TRIES: usize = 1000;

/// What further processes of a container that was found run under, which has such a filter.
///
/// # Errors
/// It is not there, or not what was written.
pub(crate) fn read_filter(root: &Path, id: &str) -> Result<Filter> {
    filter_in(&root.join(id))
}

fn filter_in(directory: &Path) -> Result<Filter> {
    let path = directory.join("filter");
    let bytes = fs::read(&path).map_err(|error| Error::at("read", &path, error))?;
    let broken = || Error::new(format!("{}: not a filter of system calls", path.display()));
    Filter::from_bytes(&bytes).ok_or_else(broken)
}

/// A container's directory, locked.
#[derive(Debug)]
pub(crate) struct Entry {
    directory: OwnedFd,
    path: PathBuf,
}

/// How far a container has come, by the names in its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Making,
    Waiting,
    Started,
}

impl AsFd for Entry {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl Entry {
    /// Makes the directory of a new container.
    pub(crate) fn make(root: &Path, id: &str) -> Result<Self> {
        check_id(id)?;
        let path = root.join(id);
        let made = match mkdirat(CWD, &path, Mode::RWXU) {
            Err(Errno::NOENT) => {
                make_root(root)?;
                mkdirat(CWD, &path, Mode::RWXU)
            }
            made => made,
        };
        match made {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let words = format!("container with given ID already exists: {id}");
                return Err(Error::of(ErrorKind::AlreadyExists, words));
            }
            Err(errno) => return Err(Error::at("make", path, errno)),
        }
        Self::open(path, |_| Ok(()))?.ok_or_else(|| {
            Error::of(ErrorKind::DoesNotExist, format!("container {id} was deleted at once"))
        })
    }

    /// Opens and locks the directory of a container.
    ///
    /// # Errors
    /// There is none, it is somebody else's, or it stays locked.
    pub(crate) fn find(root: &Path, id: &str) -> Result<Self> {
        Self::look_for(root, id, |_| Ok(()))?.ok_or_else(|| absent(id))
    }

    /// The same; `None` if there is none. If another command holds the lock, `in_the_way` is called before it is
    /// waited for.
    pub(crate) fn look_for(
        root: &Path,
        id: &str,
        in_the_way: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<Option<Self>> {
        check_id(id)?;
        Self::open(root.join(id), in_the_way)
    }

    fn open(path: PathBuf, in_the_way: impl FnOnce(&Self) -> Result<()>) -> Result<Option<Self>> {
        let Some(directory) = open_directory(&path)? else { return Ok(None) };
        let entry = Self { directory, path };
        if !try_lock(&entry.directory, FlockOperation::NonBlockingLockExclusive, &entry.path)? {
            in_the_way(&entry)?;
            let operation = FlockOperation::NonBlockingLockExclusive;
            await_lock(&entry.directory, operation, &entry.path)?;
        }
        // Whoever had the lock may have removed it.
        Ok(if entry.is_removed()? { None } else { Some(entry) })
    }

    /// Waits for the lock, however long that takes, and takes it again.
    pub(crate) fn lock(&self) -> Result<()> {
        loop {
            match flock(&self.directory, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::at("lock", &self.path, errno)),
            }
        }
    }

    /// Whether somebody has deleted the container in the meantime.
    pub(crate) fn is_removed(&self) -> Result<bool> {
        fstat(&self.directory)
            .map(|stat| stat.st_nlink == 0)
            .map_err(|errno| Error::at("stat", &self.path, errno))
    }

    /// Lets others change the container.
    pub(crate) fn unlock(&self) -> Result<()> {
        flock(&self.directory, FlockOperation::Unlock)
            .map_err(|errno| Error::at("unlock", &self.path, errno))
    }

    /// The path by which the socket is bound, short whatever the folder's path is: unix(7) allows 108 bytes.
    pub(crate) fn socket_path(&self, name: &str) -> String {
        use coble_sys::rustix::fd::AsRawFd;
        format!("/proc/thread-self/fd/{}/{name}", self.directory.as_raw_fd())
    }

    /// Records where the cgroup will be.
    pub(crate) fn record_cgroup(&self, cgroup: &CgroupRecord) -> Result<()> {
        symlinkat(cgroup.to_link_target(), &self.directory, MAKING)
            .map_err(|errno| self.failed("make", MAKING, errno))
    }

    /// The cgroup that was recorded, if it came to that.
    pub(crate) fn recorded_cgroup(&self) -> Option<CgroupRecord> {
        let read = |name| readlinkat(&self.directory, name, Vec::new());
        let target = read(CGROUP).or_else(|_| read(MAKING)).ok()?;
        Some(CgroupRecord::from_link_target(target.to_str().ok()?))
    }

    /// Records what will be made in the resctrl file system.
    pub(crate) fn record_group(&self, group: &Group) -> Result<()> {
        symlinkat(group.to_link_target()?, &self.directory, RESCTRL)
            .map_err(|errno| self.failed("make", RESCTRL, errno))
    }

    /// What was recorded of the resctrl file system, if it came to that.
    pub(crate) fn recorded_group(&self) -> Option<Group> {
        let target = readlinkat(&self.directory, RESCTRL, Vec::new()).ok()?;
        Group::from_link_target(target.to_str().ok()?)
    }

    /// Writes `state.json`, whole or not at all.
    pub(crate) fn write(&self, record: &Record) -> Result<()> {
        self.write_json(STATE, record)
    }

    /// Keeps a configuration that is not the bundle's `config.json`.
    pub(crate) fn write_config(&self, spec: &Spec) -> Result<()> {
        self.write_json(CONFIG, spec)
    }

    /// Where the container's configuration is.
    pub(crate) fn config(&self, record: &Record) -> PathBuf {
        match accessat(&self.directory, CONFIG, Access::EXISTS, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(()) => self.path.join("config.json"),
            Err(_) => Path::new(&record.bundle).join("config.json"),
        }
    }

    /// Keeps what further processes of the container run under.
    pub(crate) fn write_filter(&self, filter: &Filter) -> Result<()> {
        // Nobody looks for it before the record is there, which is written next.
        self.write_new(FILTER, &filter.to_bytes())
    }

    /// The same again.
    ///
    /// # Errors
    /// It is not there, or not what was written.
    pub(crate) fn read_filter(&self) -> Result<Filter> {
        filter_in(&self.path)
    }

    fn write_json(&self, name: &CStr, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_vec(value)
            .map_err(|error| Error::new(format!("{}: {error}", name.to_string_lossy())))?;
        self.write_file(name, &text)
    }

    /// Whole or not at all.
    fn write_file(&self, name: &CStr, text: &[u8]) -> Result<()> {
        self.write_new(STATE_NEW, text)?;
        renameat(&self.directory, STATE_NEW, &self.directory, name)
            .map_err(|errno| self.failed("write", name, errno))
    }

    fn write_new(&self, name: &CStr, text: &[u8]) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let failed = |errno| self.failed("write", name, errno);
        let file = openat(&self.directory, name, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
        let mut rest = text;
        while !rest.is_empty() {
            match write(&file, rest).map_err(failed)? {
                0 => return Err(failed(Errno::NOSPC)),
                length => rest = &rest[length..],
            }
        }
        Ok(())
    }

    /// Reads `state.json`; `None` if the container never got that far.
    pub(crate) fn read(&self) -> Result<Option<Record>> {
        read_record(self.directory.as_fd(), &self.path)
    }

    /// How far the container of `record`, which was read here, has come.
    pub(crate) fn stage(&self, record: &Record) -> Stage {
        stage(self.directory.as_fd(), record)
    }

    /// The container is made: it waits for `start`, or its program runs.
    pub(crate) fn set_made(&self) -> Result<()> {
        renameat(&self.directory, MAKING, &self.directory, CGROUP)
            .map_err(|errno| self.failed("rename", MAKING, errno))
    }

    /// Nobody can start the container any more.
    pub(crate) fn set_started(&self, record: &Record) -> Result<()> {
        if record.runc.is_some() {
            // A runc that started it at the same time removes it as well.
            return self.unlink(&[runc::FIFO]);
        }
        unlinkat(&self.directory, START, AtFlags::empty())
            .map_err(|errno| self.failed("remove", START, errno))
    }

    /// The container waits for `start` and is paused: nobody can start it now. It counts as started, so that its
    /// cgroup is asked whether it is paused.
    pub(crate) fn hold(&self) -> Result<()> {
        renameat(&self.directory, START, &self.directory, HELD)
            .map_err(|errno| self.failed("rename", START, errno))
    }

    /// Whether the container waits for `start` and is paused.
    pub(crate) fn is_held(&self) -> bool {
        accessat(&self.directory, HELD, Access::EXISTS, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// The container that was held can be started again.
    pub(crate) fn let_go(&self) -> Result<()> {
        renameat(&self.directory, HELD, &self.directory, START)
            .map_err(|errno| self.failed("rename", HELD, errno))
    }

    /// Removes the directory, with the files that every container has, and those of one that was not started or
    /// has more than others if they are there.
    pub(crate) fn remove(&self) -> Result<()> {
        let usual: [&[&CStr]; 2] = [&[STATE, CGROUP], &[FILTER]];
        for names in usual {
            self.unlink(names)?;
            match self.remove_directory() {
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                outcome => return outcome.map_err(|errno| Error::at("remove", &self.path, errno)),
            }
        }
        // A runc that was killed early has left no more than its fifo.
        self.unlink(&[MAKING, START, CONFIG, HELD, STATE_NEW, RESCTRL, runc::FIFO])?;
        self.remove_notify()?;
        self.remove_unwatched()
    }

    /// Who begins to watch the container has no lock, and makes a file, until there is no directory any more.
    fn remove_unwatched(&self) -> Result<()> {
        let mut tries = 0;
        loop {
            self.unlink(&[OOM])?;
            match self.remove_directory() {
                Err(Errno::NOTEMPTY | Errno::EXIST) if tries < TRIES => tries += 1,
                outcome => return outcome.map_err(|errno| Error::at("remove", &self.path, errno)),
            }
        }
    }

    /// Removes the directory with all that is in it: runc keeps more there than every container has.
    pub(crate) fn remove_all(&self) -> Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::at("remove", &self.path, error))
            }
            _ => Ok(()),
        }
    }

    fn unlink(&self, names: &[&CStr]) -> Result<()> {
        for name in names {
            match unlinkat(&self.directory, *name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(self.failed("remove", name, errno)),
            }
        }
        Ok(())
    }

    fn remove_directory(&self) -> std::result::Result<(), Errno> {
        match unlinkat(CWD, &self.path, AtFlags::REMOVEDIR) {
            Err(Errno::NOENT) => Ok(()),
            outcome => outcome,
        }
    }

    fn failed(&self, action: &str, name: &CStr, errno: Errno) -> Error {
        Error::at(action, self.path.join(name.to_string_lossy().as_ref()), errno)
    }
}

/// A container's record and stage, without its lock: `state.json` is whole at any time.
pub(crate) fn peek(root: &Path, id: &str) -> Result<(Record, Stage)> {
    let (directory, path) = look(root, id)?;
    tell(directory.as_fd(), &path, id)
}

/// The same once nobody makes or changes the container any more: before that its first process may still have
/// the host's root.
///
/// # Errors
/// As [`peek`]; the container is locked for too long, by a hook that does not end.
pub(crate) fn await_made(root: &Path, id: &str) -> Result<(Record, Stage)> {
    let (directory, path) = look(root, id)?;
    await_lock(&directory, FlockOperation::NonBlockingLockShared, &path)?;
    tell(directory.as_fd(), &path, id)
}

fn look(root: &Path, id: &str) -> Result<(OwnedFd, PathBuf)> {
    check_id(id)?;
    let path = root.join(id);
    let directory = open_directory(&path)?.ok_or_else(|| absent(id))?;
    Ok((directory, path))
}

fn tell(directory: BorrowedFd<'_>, path: &Path, id: &str) -> Result<(Record, Stage)> {
    let record = read_record(directory, path)?.ok_or_else(|| absent(id))?;
    let stage = stage(directory, &record);
    Ok((record, stage))
}

/// The words that containerd looks for.
pub(crate) fn absent(id: &str) -> Error {
    Error::of(ErrorKind::DoesNotExist, format!("container does not exist: {id}"))
}

/// The names in a state folder, sorted.
pub(crate) fn ids(root: &Path) -> Result<Vec<String>> {
    let failed = |error| Error::at("list", root, error);
    let mut ids = Vec::new();
    for entry in fs::read_dir(root).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            ids.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    ids.sort();
    Ok(ids)
}

fn check_id(id: &str) -> Result<()> {
    validate_id(id).map_err(|words| Error::of(ErrorKind::InvalidId, words))
}

/// The folder holds what nobody else may see: environments, and sockets that start containers.
/// With the sticky bit, which tells those who clean `$XDG_RUNTIME_DIR` up to leave it alone (XDG Base Directory
/// Specification).
fn make_root(root: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o1700)
        .create(root)
        .map_err(|error| Error::at("make the state folder", root, error))
}

/// Takes a lock, for which `operation` does not wait. Says whether it could be had.
fn try_lock(directory: &OwnedFd, operation: FlockOperation, path: &Path) -> Result<bool> {
    loop {
        match flock(directory, operation) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::at("lock", path, errno)),
        }
    }
}

/// The same, as soon as it can be had.
///
/// # Errors
/// The container is locked for too long, by a hook that does not end.
fn await_lock(directory: &OwnedFd, operation: FlockOperation, path: &Path) -> Result<()> {
    let end = Instant::now() + LOCKED_MAX;
    while !try_lock(directory, operation, path)? {
        if Instant::now() >= end {
            let id = path.file_name().unwrap_or_default().display();
            let words = format!("container {id} is being created or changed by another process");
            return Err(Error::of(ErrorKind::Locked, words));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// What it holds is believed, down to the processes and cgroups that are killed: nobody else may have written it.
fn open_directory(path: &Path) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match openat(CWD, path, flags, Mode::empty()) {
        Ok(directory) => directory,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(Error::at("open", path, errno)),
    };
    let stat = fstat(&directory).map_err(|errno| Error::at("stat", path, errno))?;
    if stat.st_uid != geteuid().as_raw() {
        return Err(Error::new(format!(
            "{}: belongs to user {}, not to the caller",
            path.display(),
            stat.st_uid
        )));
    }
    Ok(Some(directory))
}

fn stage(directory: BorrowedFd<'_>, record: &Record) -> Stage {
    // A link is there whatever it leads to.
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let has = |name| accessat(directory, name, Access::EXISTS, flags).is_ok();
    if record.runc.is_some() {
        return if has(runc::FIFO) { Stage::Waiting } else { Stage::Started };
    }
    if has(MAKING) {
        Stage::Making
    } else if has(START) {
        Stage::Waiting
    } else {
        Stage::Started
    }
}
