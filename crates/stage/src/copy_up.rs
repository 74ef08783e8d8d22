//! Copies what a directory of the root holds into a new file system, for the option `tmpcopyup`.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RawDir, Stat, Uid, chownat, fchmod, fchown, fstat,
    mkdirat, mknodat, openat, readlinkat_raw, sendfile, symlinkat,
};
use coble_sys::rustix::io::{Errno, Result as SysResult};

use crate::bytes::PathBytes;
use crate::fault::{During, Fault, Outcome};
use crate::procfs::link_to;

/// How deep directories may nest.
const DEPTH: u32 = 64;

/// Copies directories, files, links, devices and their owners and modes from the directory `place` (O_PATH) to
/// the new mount `target`, whose own owner and mode are those of the mount's options. `path` is where it lies, for messages; `proc` is the host's `/proc`.
///
/// Others may change what is below `place` meanwhile. Each entry is opened by its name once, and only the name:
/// what was found then is what is looked at and copied. A fifo or a device is never opened for more.
pub(crate) fn copy_up(
    proc: BorrowedFd<'_>,
    place: BorrowedFd<'_>,
    path: &CStr,
    target: BorrowedFd<'_>,
) -> Outcome {
    let source = open_directory(place, path)?;
    // The mount's own descriptor is one that names it only, O_PATH.
    let target = open_directory(target, path)?;
    copy_directory(proc, source.as_fd(), target.as_fd(), DEPTH)
}

fn copy_directory(
    proc: BorrowedFd<'_>,
    source: BorrowedFd<'_>,
    target: BorrowedFd<'_>,
    depth: u32,
) -> Outcome {
    if depth == 0 {
        return Err(Fault::words("directories nest too deep to be copied"));
    }
    let mut buffer = [MaybeUninit::<u8>::uninit(); 2048];
    let mut entries = RawDir::new(source, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry.during("getdents64")?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            let entry = open_no_follow(source, name, OFlags::PATH)?;
            copy_entry(proc, entry, target, name, depth)?;
        }
    }
    Ok(())
}

/// `entry` (O_PATH) is closed before what lies below it is copied.
fn copy_entry(
    proc: BorrowedFd<'_>,
    entry: OwnedFd,
    target: BorrowedFd<'_>,
    name: &CStr,
    depth: u32,
) -> Outcome {
    let stat = fstat(&entry).on("fstat", name)?;
    let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let from = open_directory(entry.as_fd(), name)?;
            drop(entry);
            mkdirat(target, name, mode).on("mkdirat", name)?;
            let to = open_no_follow(target, name, OFlags::RDONLY | OFlags::DIRECTORY)?;
            set_owner_and_mode(to.as_fd(), &stat).on("copy", name)?;
            copy_directory(proc, from.as_fd(), to.as_fd(), depth - 1)
        }
        FileType::RegularFile => {
            let from = open_file(proc, entry.as_fd(), name)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let to = openat(target, name, flags, mode).on("openat", name)?;
            copy_content(from.as_fd(), to.as_fd()).on("sendfile", name)?;
            set_owner_and_mode(to.as_fd(), &stat).on("copy", name)
        }
        FileType::Symlink => {
            let mut link = [0; 4095];
            let length = readlinkat_raw(&entry, c"", &mut link[..]).on("readlinkat", name)?;
            let link = PathBytes::from(&link[..length])?;
            symlinkat(link.as_c_str(), target, name).on("symlinkat", name)?;
            own(target, name, &stat).on("fchownat", name)
        }
        kind => {
            mknodat(target, name, kind, mode, stat.st_rdev).on("mknodat", name)?;
            own(target, name, &stat).on("fchownat", name)
        }
    }
}

fn open_no_follow(directory: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> Outcome<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::empty()).on("openat", name)
}

/// Opens for reading the very directory that a descriptor (O_PATH) names.
fn open_directory(fd: BorrowedFd<'_>, name: &CStr) -> Outcome<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(fd, c".", flags, Mode::empty()).on("openat", name)
}

/// Opens for reading the very file that a descriptor (O_PATH) names.
fn open_file(proc: BorrowedFd<'_>, fd: BorrowedFd<'_>, name: &CStr) -> Outcome<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    openat(proc, link_to(fd)?.as_c_str(), flags, Mode::empty()).on("openat", name)
}

fn copy_content(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> SysResult<()> {
    loop {
        match sendfile(to, from, None, 1 << 20) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn own(directory: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> SysResult<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}

/// The owner first: a change of it takes set-user-id bits away.
fn set_owner_and_mode(fd: BorrowedFd<'_>, stat: &Stat) -> SysResult<()> {
    fchown(fd, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    fchmod(fd, Mode::from_raw_mode(stat.st_mode & 0o7777))
}
