//! Copies what a directory of the root holds into a new file system, for the option `tmpcopyup`.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RawDir, ResolveFlags, Stat, Uid, chownat, fchmod, fchown,
    fstat, mkdirat, mknodat, openat, readlinkat_raw, sendfile, statat, symlinkat,
};
use coble_sys::rustix::io::{Errno, Result as SysResult};

use crate::bytes::PathBytes;
use crate::fault::{During, Fault, Outcome};
use crate::path::open;

/// How deep directories may nest.
const DEPTH: u32 = 64;

/// Copies directories, files, links, devices and their owners and modes from `path` below `root`; a missing
/// `path` is an empty one.
pub(crate) fn copy_up(root: BorrowedFd<'_>, path: &CStr, target: BorrowedFd<'_>) -> Outcome {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let source = open(root, path, flags, ResolveFlags::empty()).on("openat2", path)?;
    let stat = fstat(&source).on("fstat", path)?;
    // The mount's own descriptor is one that names it only, O_PATH.
    let target = open_no_follow(target, c".", flags)?;
    set_owner_and_mode(target.as_fd(), &stat).on("copy", path)?;
    copy_directory(source.as_fd(), target.as_fd(), DEPTH)
}

fn copy_directory(source: BorrowedFd<'_>, target: BorrowedFd<'_>, depth: u32) -> Outcome {
    if depth == 0 {
        return Err(Fault::words("directories nest too deep to be copied"));
    }
    let mut buffer = [MaybeUninit::<u8>::uninit(); 2048];
    let mut entries = RawDir::new(source, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry.during("getdents64")?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            copy_entry(source, target, name, depth)?;
        }
    }
    Ok(())
}

fn copy_entry(source: BorrowedFd<'_>, target: BorrowedFd<'_>, name: &CStr, depth: u32) -> Outcome {
    let stat = statat(source, name, AtFlags::SYMLINK_NOFOLLOW).on("fstatat", name)?;
    let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let from = open_no_follow(source, name, OFlags::RDONLY | OFlags::DIRECTORY)?;
            mkdirat(target, name, mode).on("mkdirat", name)?;
            let to = open_no_follow(target, name, OFlags::RDONLY | OFlags::DIRECTORY)?;
            set_owner_and_mode(to.as_fd(), &stat).on("copy", name)?;
            copy_directory(from.as_fd(), to.as_fd(), depth - 1)
        }
        FileType::RegularFile => {
            let from = open_no_follow(source, name, OFlags::RDONLY)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let to = openat(target, name, flags, mode).on("openat", name)?;
            copy_content(from.as_fd(), to.as_fd()).on("sendfile", name)?;
            set_owner_and_mode(to.as_fd(), &stat).on("copy", name)
        }
        FileType::Symlink => {
            let mut link = [0; 4095];
            let length = readlinkat_raw(source, name, &mut link[..]).on("readlinkat", name)?;
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
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::empty()).on("openat", name)
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
