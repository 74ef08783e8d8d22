//! Which cgroup hierarchies this machine has, and where.

use coble_sys::rustix::fs;

use crate::mountinfo::{CgroupMount, cgroup_mounts, memberships};
use crate::{Error, file};

const MOUNT_POINT: &str = "/sys/fs/cgroup";
const MOUNT_POINT_C: &std::ffi::CStr = c"/sys/fs/cgroup";
/// `CGROUP2_SUPER_MAGIC`, statfs(2).
const CGROUP2_MAGIC: u64 = 0x6367_7270;

/// What [`Hierarchy::detect`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// cgroup v2 alone.
    Unified,
    /// cgroup v1 alone.
    Legacy,
    /// cgroup v1 with a v2 mount beside it.
    Hybrid,
    /// No cgroup file system is mounted.
    None,
}

/// The cgroup mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    pub(crate) unified: Option<Mount>,
    pub(crate) legacy: Vec<Mount>,
}

/// One mount and the place of this process in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where; without a slash at the end.
    pub(crate) point: String,
    /// What v1 has there, such as `cpu,cpuacct` or `name=systemd`; empty for v2.
    pub(crate) controllers: String,
    pub(crate) own: Own,
}

/// This process's own cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Its path below the mount point, `/` for the mount point itself.
    Below(String),
    /// It is not below the mount point. What `/proc/self/cgroup` says of it.
    Outside(String),
    /// Not asked for yet.
    Unknown,
}

impl Hierarchy {
    /// Looks at `/sys/fs/cgroup`, which on a machine with cgroup v2 alone is one statfs(2); reads
    /// `/proc/self/mountinfo` and `/proc/self/cgroup` anywhere else.
    ///
    /// # Errors
    /// [`Error::Os`] or [`Error::Unreadable`] about these files.
    pub fn detect() -> Result<Self, Error> {
        let is_unified =
            fs::statfs(MOUNT_POINT_C).is_ok_and(|stat| stat.f_type as u64 == CGROUP2_MAGIC);
        if is_unified {
            return Ok(Self::unified_at(MOUNT_POINT));
        }
        Self::parse(&file::read_all("/proc/self/mountinfo")?, &own_memberships()?)
    }

    /// Finds the same out of the text of `/proc/self/mountinfo` and of `/proc/self/cgroup`.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if they are not as the kernel writes them.
    pub fn parse(mountinfo: &[u8], own: &str) -> Result<Self, Error> {
        let mounts = cgroup_mounts(mountinfo)?;
        let mut found = Self { unified: None, legacy: Vec::new() };
        for own in memberships(own)? {
            let Some(mount) = mounts.iter().find(|mount| mount.has(own.controllers)) else {
                continue; // known to the kernel, mounted nowhere
            };
            let mount = Mount::new(mount, own.controllers, own.path)?;
            if own.controllers.is_empty() {
                found.unified = Some(mount);
            } else {
                found.legacy.push(mount);
            }
        }
        Ok(found)
    }

    /// What there is.
    pub fn kind(&self) -> Kind {
        match (&self.unified, self.legacy.is_empty()) {
            (Some(_), true) => Kind::Unified,
            (Some(_), false) => Kind::Hybrid,
            (None, false) => Kind::Legacy,
            (None, true) => Kind::None,
        }
    }

    pub(crate) fn unified_at(point: &str) -> Self {
        let mount =
            Mount { point: point.to_owned(), controllers: String::new(), own: Own::Unknown };
        Self { unified: Some(mount), legacy: Vec::new() }
    }
}

impl CgroupMount {
    /// Whether this is the hierarchy of these controllers: a v1 mount names them all among its options, so the
    /// first one is enough.
    fn has(&self, controllers: &str) -> bool {
        match controllers.split(',').next() {
            None | Some("") => self.is_v2,
            Some(first) => !self.is_v2 && self.options.split(',').any(|option| option == first),
        }
    }
}

impl Mount {
    fn new(mount: &CgroupMount, controllers: &str, own: &str) -> Result<Self, Error> {
        if mount.point.contains('\n') || mount.point.contains("//") {
            return Err(Error::Unreadable {
                path: mount.point.clone(),
                reason: "a cgroup mount with such a name can't be recorded".to_owned(),
            });
        }
        Ok(Self {
            point: mount.point.trim_end_matches('/').to_owned(),
            controllers: controllers.to_owned(),
            own: Own::new(&mount.root, own),
        })
    }
}

impl Own {
    /// Both paths are from the root of the cgroup namespace. In a container without a cgroup namespace the mount
    /// shows only a part, `root`, and the own cgroup is named in full.
    pub(crate) fn new(root: &str, own: &str) -> Self {
        let below = if root == "/" { Some(own) } else { own.strip_prefix(root) };
        match below {
            Some("") => Self::Below("/".to_owned()),
            Some(path) if path.starts_with('/') && !path.split('/').any(|part| part == "..") => {
                Self::Below(path.to_owned())
            }
            _ => Self::Outside(own.to_owned()),
        }
    }
}

/// The text of `/proc/self/cgroup`.
///
/// # Errors
/// [`Error::Os`] or [`Error::Unreadable`].
pub(crate) fn own_memberships() -> Result<String, Error> {
    file::read("/proc/self", "cgroup")
}
