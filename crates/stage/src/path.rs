//! Paths inside the root. Its owner is hostile: nothing is checked by path and then used by path.

use core::ffi::CStr;

use coble_plan::NOBODYS;
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{
    FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, mknodat, openat2, readlinkat_raw,
};
use coble_sys::rustix::io::{Errno, Result as SysResult};

use crate::bytes::PathBytes;
use crate::context::Context;
use crate::fault::{During, Fault, Outcome};

/// What stands at the end of a path that is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    Directory,
    File,
}

/// A place in the root.
pub(crate) struct Place {
    pub(crate) fd: OwnedFd,
    /// Whether it had to be made.
    pub(crate) made: bool,
}

/// How often a path may change under us, or lead through links to what is missing.
const ATTEMPTS: usize = 256;

/// Opens a path inside the root, whatever links it holds (Linux 5.6).
pub(crate) fn open(
    root: BorrowedFd<'_>,
    path: &CStr,
    flags: OFlags,
    resolve: ResolveFlags,
) -> SysResult<OwnedFd> {
    let resolve = resolve | ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..ATTEMPTS {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // The kernel gives up when something is renamed during the walk.
            Err(Errno::AGAIN) => {}
            outcome => return outcome,
        }
    }
    Err(Errno::AGAIN)
}

/// Finds a path inside the root, and makes what is missing of it: directories, and `leaf` at its end.
pub(crate) fn reach(
    root: BorrowedFd<'_>,
    path: &CStr,
    leaf: Leaf,
    resolve: ResolveFlags,
) -> Outcome<Place> {
    let mut wanted = PathBytes::from(path.to_bytes())?;
    let mut made = false;
    for _ in 0..ATTEMPTS {
        match open(root, wanted.as_c_str(), OFlags::PATH, resolve) {
            Ok(fd) => return Ok(Place { fd, made }),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno).on("openat2", path),
        }
        made |= extend(root, &mut wanted, leaf, resolve)?;
    }
    Err(Errno::LOOP).on("openat2", path)
}

/// Makes the first missing part of `wanted`, or replaces it by what it links to.
fn extend(
    root: BorrowedFd<'_>,
    wanted: &mut PathBytes,
    leaf: Leaf,
    resolve: ResolveFlags,
) -> Outcome<bool> {
    let bytes = trim_end(wanted.as_bytes());
    let (directory, start) = existing_prefix(root, bytes, resolve)?;
    let end =
        bytes[start..].iter().position(|&byte| byte == b'/').map_or(bytes.len(), |at| start + at);
    let name = PathBytes::from(&bytes[start..end])?;
    let name = name.as_c_str();
    let mut target = [0; 4096];
    match readlinkat_raw(&directory, name, &mut target[..]) {
        // It has come since the path was looked for.
        Ok(_) if resolve.contains(ResolveFlags::NO_SYMLINKS) => {
            return Err(Errno::LOOP).on("readlinkat", wanted.as_c_str());
        }
        Ok(length) => {
            *wanted = follow(&bytes[..start], &target[..length], &bytes[end..])?;
            return Ok(false);
        }
        // It is there by now, and no link.
        Err(Errno::INVAL) => return Ok(false),
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(errno).on("readlinkat", name),
    }
    let outcome = if end == bytes.len() && leaf == Leaf::File {
        mknodat(&directory, name, FileType::RegularFile, Mode::from_raw_mode(0o644), 0)
    } else {
        mkdirat(&directory, name, Mode::from_raw_mode(0o755))
    };
    match outcome {
        Ok(()) | Err(Errno::EXIST) => Ok(true),
        Err(errno) => {
            let action = if is_nobodys(&directory) { NOBODYS } else { "make the mount point" };
            Err(errno).on(action, wanted.as_c_str())
        }
    }
}

/// Whether the owner has no id in this user namespace, user_namespaces(7), "Unmapped user and group IDs".
fn is_nobodys(directory: &OwnedFd) -> bool {
    /// `/proc/sys/kernel/overflowuid`, which nobody changes.
    const OVERFLOW: u32 = 65534;
    fstat(directory).is_ok_and(|stat| stat.st_uid == OVERFLOW)
}

/// The longest part of a path that is there, and where the next name begins.
fn existing_prefix(
    root: BorrowedFd<'_>,
    path: &[u8],
    resolve: ResolveFlags,
) -> Outcome<(OwnedFd, usize)> {
    let mut end = path.len();
    loop {
        let slash = path[..end].iter().rposition(|&byte| byte == b'/');
        let prefix = trim_end(&path[..slash.unwrap_or(0)]);
        let start = slash.map_or(0, |slash| slash + 1);
        let name =
            if prefix.is_empty() { PathBytes::from(b"/")? } else { PathBytes::from(prefix)? };
        match open(root, name.as_c_str(), OFlags::PATH | OFlags::DIRECTORY, resolve) {
            Ok(fd) => return Ok((fd, start)),
            Err(Errno::NOENT) if !prefix.is_empty() => end = prefix.len(),
            Err(errno) => return Err(errno).on("openat2", name.as_c_str()),
        }
    }
}

/// `head/name/rest` with `name` a link to `target`.
fn follow(head: &[u8], target: &[u8], rest: &[u8]) -> Outcome<PathBytes> {
    let mut path = PathBytes::new();
    if target.first() != Some(&b'/') {
        path.push(head)?;
    }
    path.push(target)?;
    path.push(rest)?;
    Ok(path)
}

/// Without slashes at the end.
fn trim_end(mut path: &[u8]) -> &[u8] {
    while let [head @ .., b'/'] = path {
        path = head;
    }
    path
}

/// The directory of a path, made if it is missing, and the path's last name.
pub(crate) fn with_parent<T>(
    context: &mut Context<'_>,
    path: &CStr,
    act: impl FnOnce(BorrowedFd<'_>, &CStr) -> Outcome<T>,
) -> Outcome<T> {
    let bytes = trim_end(path.to_bytes());
    let slash = bytes.iter().rposition(|&byte| byte == b'/');
    let (head, name) = bytes.split_at(slash.map_or(0, |slash| slash + 1));
    let name = PathBytes::from(name)?;
    if matches!(name.as_bytes(), b"" | b"." | b"..") {
        return Err(Fault::words("the path has no name at its end").with(bytes));
    }
    let known = context.parent.take().filter(|(path, _)| path.as_bytes() == head);
    let (head, fd) = match known {
        Some(known) => known,
        None => {
            let root = context.root()?;
            let head = PathBytes::from(head)?;
            let path = if head.is_empty() { c"/" } else { head.as_c_str() };
            let place = reach(root, path, Leaf::Directory, ResolveFlags::empty())?;
            (head, place.fd)
        }
    };
    let outcome = act(fd.as_fd(), name.as_c_str());
    context.parent = Some((head, fd));
    outcome
}
