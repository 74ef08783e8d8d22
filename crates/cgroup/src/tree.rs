//! A cgroup's directory and those below it. The container's processes may choose their names, of any bytes, and their
//! depth, beyond any path: they are walked by descriptors, of which no more are open the deeper it gets.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;

use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{self, CWD, FileType, Mode, OFlags, RawDir};
use coble_sys::rustix::io::Errno;

use crate::error::is_gone;
use crate::{Error, file};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Bytes for some names, each of which has at most 255.
const NAMES: usize = 4096;

/// One of the directories.
pub(crate) struct Directory<'a> {
    top: &'a str,
    /// None for the top one.
    fd: Option<BorrowedFd<'a>>,
    /// No other one of the hierarchy has or has had it.
    pub(crate) inode: u64,
}

impl Directory<'_> {
    /// [`file::read`]
    ///
    /// # Errors
    /// [`Error::Os`].
    pub(crate) fn read(&self, name: &str) -> Result<String, Error> {
        let (at, path) = self.find(name);
        file::read_at(at, &path).map_err(|error| self.place(error))
    }

    /// [`file::read_all`]
    ///
    /// # Errors
    /// [`Error::Os`].
    pub(crate) fn read_all(&self, name: &str) -> Result<Vec<u8>, Error> {
        let (at, path) = self.find(name);
        file::read_all_at(at, &path).map_err(|error| self.place(error))
    }

    /// [`file::write`]
    ///
    /// # Errors
    /// [`Error::Os`].
    pub(crate) fn write(&self, name: &str, value: &str) -> Result<(), Error> {
        let (at, path) = self.find(name);
        file::write_at(at, &path, value).map_err(|error| self.place(error))
    }

    /// The top one needs no descriptor, since its path is none of the container's.
    fn find(&self, name: &str) -> (BorrowedFd<'_>, String) {
        match self.fd {
            None => (CWD, format!("{}/{name}", self.top)),
            Some(fd) => (fd, name.to_owned()),
        }
    }

    /// Names of the container's own have no place in an error.
    fn place(&self, error: Error) -> Error {
        match error {
            Error::Os { action, path, errno, .. } if self.fd.is_some() => {
                Error::os(action, format!("{path} in a cgroup below {}", self.top), errno)
            }
            other => other,
        }
    }
}

/// Shows a directory and all below it, each before its children; none that is gone.
///
/// # Errors
/// [`Error::Os`]; those of `show`.
pub(crate) fn each(
    top: &str,
    mut show: impl FnMut(&Directory<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let stat = match fs::stat(top) {
        Err(errno) if is_gone(errno) => return Ok(()),
        stat => stat.map_err(|errno| Error::os("list", top, errno))?,
    };
    show(&Directory { top, fd: None, inode: stat.st_ino })?;
    if has_children(&stat) { walk(top, show, |_, _| Ok(())) } else { Ok(()) }
}

/// Leaves all directories below one, each after its children: `leave` gets the one above it, and its name there.
///
/// # Errors
/// [`Error::Os`]; those of `leave`.
pub(crate) fn leave_below(
    top: &str,
    leave: impl FnMut(BorrowedFd<'_>, &CStr) -> Result<(), Error>,
) -> Result<(), Error> {
    walk(top, |_| Ok(()), leave)
}

/// A directory on the way down.
struct Level {
    /// Its name in the one above.
    name: CString,
    /// Those below that have not been entered yet.
    left: Vec<CString>,
}

/// Enters all directories below one, one after the other, and leaves each when those below it have been left.
fn walk(
    top: &str,
    mut enter: impl FnMut(&Directory<'_>) -> Result<(), Error>,
    mut leave: impl FnMut(BorrowedFd<'_>, &CStr) -> Result<(), Error>,
) -> Result<(), Error> {
    let failed = |errno| Error::os("list the cgroups below", top, errno);
    let Some(mut here) = open(CWD, top).map_err(failed)? else { return Ok(()) };
    let mut levels =
        vec![Level { name: CString::default(), left: children(&here).map_err(failed)? }];
    while let Some(level) = levels.last_mut() {
        let Some(name) = level.left.pop() else {
            let Some(Level { name, .. }) = levels.pop() else { break };
            if !levels.is_empty() {
                // cgroups are never moved elsewhere, rename(2): it is the one that was entered before.
                here = fs::openat(&here, c"..", DIRECTORY, Mode::empty()).map_err(failed)?;
                leave(here.as_fd(), &name)?;
            }
            continue;
        };
        let Some(child) = open(here.as_fd(), name.as_c_str()).map_err(failed)? else { continue };
        let stat = fs::fstat(&child).map_err(failed)?;
        enter(&Directory { top, fd: Some(child.as_fd()), inode: stat.st_ino })?;
        if has_children(&stat) {
            levels.push(Level { name, left: children(&child).map_err(failed)? });
            here = child;
        } else {
            drop(child);
            leave(here.as_fd(), &name)?;
        }
    }
    Ok(())
}

/// None if it is gone.
fn open(
    at: BorrowedFd<'_>,
    path: impl coble_sys::rustix::path::Arg,
) -> Result<Option<OwnedFd>, Errno> {
    match fs::openat(at, path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
        Err(errno) if is_gone(errno) => Ok(None),
        fd => fd.map(Some),
    }
}

/// A link count of two says that there are none, which saves looking for them.
fn has_children(stat: &fs::Stat) -> bool {
    stat.st_nlink > 2
}

/// The names of the directories in a directory; none if it is gone.
fn children(directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut buffer = [MaybeUninit::uninit(); NAMES];
    let mut entries = RawDir::new(directory, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => {}
            Ok(entry) if entry.file_type() == FileType::Directory => {
                names.push(entry.file_name().to_owned());
            }
            Ok(_) => {}
            Err(errno) if is_gone(errno) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(names)
}
