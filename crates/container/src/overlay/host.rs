//! The facts of the host that the bundle depends on.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use coble_sys::rustix::fs::{Access, AtFlags, CWD, FileType, Stat, accessat, statat};
use coble_sys::rustix::process::{getegid, geteuid};

use super::failure;
use super::layout::{Files, Kind};
use crate::Error;

/// What is looked up once, before anything is made.
pub(super) struct Host {
    /// The user and group that run coble.
    pub(super) ids: (u32, u32),
    /// Whether coble is in the first user namespace, where root is root.
    in_first_namespace: bool,
    /// The text of `/proc/self/mountinfo`.
    pub(super) mountinfo: String,
    /// The environment, where it is UTF-8.
    pub(super) environment: Vec<(String, String)>,
    /// The current directory, if it has a path.
    pub(super) directory: Option<String>,
    /// Whether standard input and output are terminals.
    pub(super) terminal: bool,
}

impl Host {
    /// Looks.
    ///
    /// # Errors
    /// `/proc` can't be read.
    pub(super) fn look() -> Result<Self, Error> {
        let read = |path: &str| {
            let bytes = fs::read(path).map_err(|error| failure(Path::new(path), &error))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let map: String = read("/proc/self/uid_map")?;
        let environment = std::env::vars_os();
        Ok(Self {
            ids: (geteuid().as_raw(), getegid().as_raw()),
            in_first_namespace: map.split_whitespace().eq(["0", "0", "4294967295"]),
            mountinfo: read("/proc/self/mountinfo")?,
            environment: environment
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            directory: std::env::current_dir()
                .ok()
                .and_then(|path| path.into_os_string().into_string().ok()),
            terminal: io::stdin().is_terminal() && io::stdout().is_terminal(),
        })
    }

    /// Whether the container needs a user namespace: coble doesn't run as the system's own root.
    pub(super) fn rootless(&self) -> bool {
        self.ids.0 != 0 || !self.in_first_namespace
    }

    /// Directories in which a temporary bundle may lie, the best first.
    ///
    /// Changes belong into memory, where a killed coble leaves nothing for long. `/dev/shm` may fill up without
    /// harm to others, unlike `/run`, which is the system's.
    pub(super) fn places(&self) -> Vec<PathBuf> {
        let variable = |name: &str| {
            let found = self.environment.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| PathBuf::from(value)).filter(|path| path.is_absolute())
        };
        let session =
            if self.rootless() { variable("XDG_RUNTIME_DIR") } else { Some("/run".into()) };
        let temporary = variable("TMPDIR").unwrap_or_else(|| "/tmp".into());
        [Some("/dev/shm".into()), session, Some(temporary)].into_iter().flatten().collect()
    }
}

/// The host's own files.
pub(super) struct HostFiles;

impl Files for HostFiles {
    fn entries(&self, directory: &str) -> Vec<(String, Kind)> {
        // What can't be listed has no entries; whether it can has been asked before.
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let named =
            entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry)));
        named
            .map(|(name, entry)| {
                let kind = entry.file_type().map_or(Kind::Other, |kind| match kind {
                    kind if kind.is_dir() => Kind::Directory,
                    kind if kind.is_symlink() => Kind::Link,
                    kind if kind.is_file() => Kind::File,
                    _ => Kind::Other,
                });
                (name, kind)
            })
            .collect()
    }

    fn readable(&self, path: &str, kind: Kind) -> bool {
        let access = match kind {
            Kind::Directory => Access::READ_OK | Access::EXEC_OK,
            _ => Access::READ_OK,
        };
        accessat(CWD, path, access, AtFlags::EACCESS).is_ok()
    }

    fn kind(&self, path: &str) -> Kind {
        match look_at(path).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::Directory) => Kind::Directory,
            Ok(FileType::RegularFile) => Kind::File,
            Ok(FileType::Symlink) => Kind::Link,
            _ => Kind::Other,
        }
    }
}

/// lstat(2), which unlike statx(2) mounts nothing.
pub(super) fn look_at(path: &str) -> io::Result<Stat> {
    Ok(statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?)
}
