//! What the parent has to know of the host before it can decide.

use coble_cgroup::{Hierarchy, Kind};
use coble_sys::rustix::fs::{Access, CWD, access, stat};
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::process::{getegid, geteuid};
use coble_sys::rustix::thread::{CapabilitySet, capabilities};
use coble_sys::{MountAttr, mount_setattr, without};

use crate::error::{Error, Result};
use crate::selinux;

/// Facts of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Effective user of this process.
    pub uid: u32,
    /// Effective group of this process.
    pub gid: u32,
    /// Whether this process is in the first user namespace.
    pub is_initial_user_namespace: bool,
    /// Whether this process may map ids of its user namespace: it has CAP_SETUID and CAP_SETGID there
    /// (user_namespaces(7)).
    pub maps_ids: bool,
    /// Whether it may set groups there, CAP_SETGID, unless the namespace denies it to everybody.
    pub sets_groups: bool,
    /// Whether it has CAP_SYS_ADMIN there, and so over namespaces of that user namespace and of all below it.
    pub administers: bool,
    /// Whether there is mount_setattr(2) (Linux 5.12).
    pub has_mount_setattr: bool,
    /// Whether there is `/proc/kcore`.
    pub has_kcore: bool,
    /// Whether SELinux is active.
    pub has_selinux: bool,
    /// The cgroup hierarchies.
    pub hierarchy: Hierarchy,
}

/// The inode number of the first user namespace, `PROC_USER_INIT_INO` in the kernel.
const INITIAL_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

impl Facts {
    /// Looks at the host.
    ///
    /// # Errors
    /// If `/proc` or the cgroup mounts can't be read.
    pub fn look() -> Result<Self> {
        let (uid, is_initial) = (geteuid().as_raw(), is_initial_user_namespace()?);
        let rights = if uid == 0 && is_initial { CapabilitySet::all() } else { effective()? };
        Ok(Self {
            uid,
            gid: getegid().as_raw(),
            is_initial_user_namespace: is_initial,
            maps_ids: rights.contains(CapabilitySet::SETUID | CapabilitySet::SETGID),
            sets_groups: rights.contains(CapabilitySet::SETGID),
            administers: rights.contains(CapabilitySet::SYS_ADMIN),
            has_mount_setattr: !without("mount_setattr") && has_mount_setattr(),
            has_kcore: access(c"/proc/kcore", Access::EXISTS).is_ok(),
            has_selinux: selinux::is_active(),
            hierarchy: Hierarchy::detect()?,
        })
    }

    /// Whether this process lacks rights that root of the host has.
    pub fn is_rootless(&self) -> bool {
        self.uid != 0 || !self.is_initial_user_namespace
    }

    /// Whether cgroup v2 alone is mounted.
    pub fn is_unified(&self) -> bool {
        self.hierarchy.kind() == Kind::Unified
    }
}

/// Whether this process is in the first user namespace.
///
/// # Errors
/// There is no `/proc`.
pub(crate) fn is_initial_user_namespace() -> Result<bool> {
    let path = "/proc/thread-self/ns/user";
    let namespace = stat(path).map_err(|errno| Error::at("stat", path, errno))?;
    Ok(namespace.st_ino == INITIAL_USER_NAMESPACE)
}

/// The effective capabilities of this process.
///
/// # Errors
/// The kernel's.
pub(crate) fn effective() -> Result<CapabilitySet> {
    capabilities(None).map(|sets| sets.effective).map_err(|errno| Error::os("capget", errno))
}

/// A change of nothing, which the kernel answers before it looks at anything.
fn has_mount_setattr() -> bool {
    mount_setattr(CWD, c"", false, &MountAttr::default()) != Err(Errno::NOSYS)
}
