//! The facts of the host that the bundle depends on.

use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use coble_sys::rustix::fs::{Access, AtFlags, CWD, FileType, Stat, accessat, statat};

use super::layout::{Files, Kind};
use crate::error::{Error, Result};
use crate::facts::Facts;

/// What is looked up once, before anything is made.
pub(super) struct Host {
    /// Who runs coble, and whether as the system's own root.
    pub(super) facts: Facts,
    /// The text of `/proc/self/mountinfo`.
    pub(super) mountinfo: Vec<u8>,
    /// The environment, where it is UTF-8.
    pub(super) environment: Vec<(String, String)>,
    /// The text of `/etc/resolv.conf`; empty if it can't be read.
    pub(super) resolvers: String,
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
    pub(super) fn look() -> Result<Self> {
        const MOUNTS: &str = "/proc/self/mountinfo";
        let text = |text: OsString| text.into_string().ok();
        let variables = std::env::vars_os();
        let directory = std::env::current_dir();
        Ok(Self {
            facts: Facts::look()?,
            mountinfo: fs::read(MOUNTS).map_err(|error| Error::at("read", MOUNTS, error))?,
            environment: variables.filter_map(|(n, v)| Some((text(n)?, text(v)?))).collect(),
            resolvers: fs::read_to_string("/etc/resolv.conf").unwrap_or_default(),
            directory: directory.ok().and_then(|path| text(path.into_os_string())),
            terminal: io::stdin().is_terminal() && io::stdout().is_terminal(),
        })
    }

    /// The user and group that stand behind the container's root, if there is to be a user namespace.
    pub(super) fn rootless(&self) -> Option<(u32, u32)> {
        self.facts.is_rootless().then_some((self.facts.uid, self.facts.gid))
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
        let session = if self.facts.is_rootless() {
            variable("XDG_RUNTIME_DIR")
        } else {
            Some("/run".into())
        };
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
