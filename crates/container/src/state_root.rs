//! The state folder if none is named.

use std::path::{Path, PathBuf};

use coble_sys::rustix::fs::{FileType, Mode, Stat, lstat, mkdir, stat};
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::process::geteuid;

use crate::error::{Error, Result};
use crate::facts::is_initial_user_namespace;

/// Where the folder of a user without `XDG_RUNTIME_DIR` is.
const TEMPORARY: &str = "/tmp";

/// The state folder if none is named: `/run/coble`, for a plain user `$XDG_RUNTIME_DIR/coble`, or without that variable
/// [`temporary_root`]. Root of a user namespace is the plain user who has made it, unless `USER` is `root`: so an engine
/// finds from within what the user finds from without.
///
/// # Errors
/// As those of [`temporary_root`].
pub fn default_root() -> Result<PathBuf> {
    usual_root().map_or_else(temporary_root, Ok)
}

/// The same; `None` for a plain user without `XDG_RUNTIME_DIR`.
pub fn usual_root() -> Option<PathBuf> {
    let is_root = geteuid().is_root();
    let of_root = is_root.then(|| PathBuf::from("/run/coble"));
    if is_root && is_hosts_root() {
        return of_root;
    }
    let session = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
    session.map(|path| Path::new(&path).join("coble")).or(of_root)
}

/// Whether root is that of the machine, or says to be. One who comes by su(1) has kept the user's variables, and is not to
/// have its state in a folder of that user.
fn is_hosts_root() -> bool {
    let says_so = std::env::var_os("USER").is_some_and(|user| user == "root");
    says_so || is_initial_user_namespace().unwrap_or(true)
}

/// The folder `/tmp/coble-UID`, made with mode 0700 if it is missing. Who cleans `/tmp` up while containers run makes
/// coble forget them.
///
/// # Errors
/// It can't be made; it is no directory of the caller alone, or `/tmp` is none in which it would stay so.
pub fn temporary_root() -> Result<PathBuf> {
    let path = Path::new(TEMPORARY).join(format!("coble-{}", geteuid().as_raw()));
    let refuse = |path: &Path, reason: &str| {
        let path = path.display();
        Error::new(format!("no state folder: {path} {reason}; set XDG_RUNTIME_DIR or give --root"))
    };
    let above = stat(TEMPORARY).map_err(|errno| Error::at("stat", TEMPORARY, errno))?;
    if !keeps_names(&above) {
        return Err(refuse(TEMPORARY.as_ref(), "lets others replace what is in it"));
    }
    // Whoever was there first owns it, whatever is at that name: it is made, or looked at without following links.
    match mkdir(&path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(Error::at("make the state folder", path, errno)),
    }
    let found = lstat(&path).map_err(|errno| Error::at("stat", &path, errno))?;
    if is_private(&found) {
        Ok(path)
    } else {
        Err(refuse(&path, "is no directory of this user alone"))
    }
}

/// Whether nobody but root and its owner can rename or remove the caller's own files in the directory.
fn keeps_names(directory: &Stat) -> bool {
    let mode = Mode::from_raw_mode(directory.st_mode);
    let is_trusted = directory.st_uid == 0 || directory.st_uid == geteuid().as_raw();
    is_trusted && (mode.contains(Mode::SVTX) || !mode.intersects(Mode::WGRP | Mode::WOTH))
}

fn is_private(found: &Stat) -> bool {
    let mode = Mode::from_raw_mode(found.st_mode);
    FileType::from_raw_mode(found.st_mode).is_dir()
        && found.st_uid == geteuid().as_raw()
        && !mode.intersects(Mode::RWXG | Mode::RWXO)
}
