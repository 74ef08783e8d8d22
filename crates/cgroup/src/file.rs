//! Files of the kernel: short texts, read and written whole.

use coble_sys::rustix::fd::{BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{self, CWD, Mode, OFlags};
use coble_sys::rustix::io::{self, Errno};

use crate::Error;

/// More than any file of one record has.
const ENOUGH: usize = 4096;

/// A file that takes one value a write.
pub(crate) struct Writer {
    fd: OwnedFd,
    path: String,
}

impl Writer {
    /// Opens `dir/name`, which must be there: cgroup file systems make no files.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub(crate) fn open(dir: &str, name: &str) -> Result<Self, Error> {
        Self::open_at(CWD, format!("{dir}/{name}"))
    }

    fn open_at(at: BorrowedFd<'_>, path: String) -> Result<Self, Error> {
        match fs::openat(at, &*path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => Ok(Self { fd, path }),
            Err(errno) => Err(Error::os("open", path, errno)),
        }
    }

    /// Writes one value. The kernel takes all of it or refuses it.
    ///
    /// # Errors
    /// [`Error::Os`], with the value.
    pub(crate) fn write(&self, value: &str) -> Result<(), Error> {
        // Lowering a v1 memory limit is cut short by signals.
        match io::retry_on_intr(|| io::write(&self.fd, value.as_bytes())) {
            Ok(_) => Ok(()),
            Err(errno) => {
                Err(Error::os(format!("write {:?} to", value.trim_end()), &self.path, errno))
            }
        }
    }
}

/// Writes `value` to `dir/name`.
///
/// # Errors
/// [`Error::Os`], with the value also when the file could not be opened.
pub(crate) fn write(dir: &str, name: &str, value: &str) -> Result<(), Error> {
    write_at(CWD, &format!("{dir}/{name}"), value)
}

/// [`write`], by a path below `at`.
///
/// # Errors
/// As [`write`].
pub(crate) fn write_at(at: BorrowedFd<'_>, path: &str, value: &str) -> Result<(), Error> {
    let file = Writer::open_at(at, path.to_owned()).map_err(|error| match error {
        Error::Os { path, errno, .. } => {
            Error::os(format!("write {:?} to", value.trim_end()), path, errno)
        }
        other => other,
    })?;
    file.write(value)
}

/// Reads a file of one record (all of cgroupfs but the lists of processes): one read(2) gets all of it.
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn read(dir: &str, name: &str) -> Result<String, Error> {
    read_at(CWD, &format!("{dir}/{name}"))
}

/// [`read`], by a path below `at`.
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn read_at(at: BorrowedFd<'_>, path: &str) -> Result<String, Error> {
    let bytes = read_until(at, path, |length| length < ENOUGH)?;
    text(bytes, path.to_owned())
}

/// Reads a file of many records, until the kernel says that it is over.
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn read_all(path: &str) -> Result<Vec<u8>, Error> {
    read_all_at(CWD, path)
}

/// [`read_all`], by a path below `at`.
///
/// # Errors
/// [`Error::Os`].
pub(crate) fn read_all_at(at: BorrowedFd<'_>, path: &str) -> Result<Vec<u8>, Error> {
    read_until(at, path, |length| length == 0)
}

/// Reads until `is_last` says that a read of that length was the last one.
fn read_until(
    at: BorrowedFd<'_>,
    path: &str,
    is_last: impl Fn(usize) -> bool,
) -> Result<Vec<u8>, Error> {
    let failed = |errno: Errno| Error::os("read", path, errno);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let fd = fs::openat(at, path, flags, Mode::empty()).map_err(failed)?;
    let mut bytes = Vec::new();
    loop {
        let start = bytes.len();
        bytes.resize(start + ENOUGH, 0);
        let length = io::retry_on_intr(|| io::read(&fd, &mut bytes[start..])).map_err(failed)?;
        bytes.truncate(start + length);
        if length == 0 || is_last(length) {
            return Ok(bytes);
        }
    }
}

pub(crate) fn text(bytes: Vec<u8>, path: String) -> Result<String, Error> {
    String::from_utf8(bytes)
        .map_err(|_| Error::Unreadable { path, reason: "it is not UTF-8".to_owned() })
}
