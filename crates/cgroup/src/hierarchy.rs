//! Which cgroup hierarchies this machine has, and where.

use coble_sys::rustix::fs;

use crate::cgroup_mount::{CgroupMount, cgroup_mounts};
use crate::membership::memberships;
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
    /// Whether this is the hierarchy of these controllers: a v1 mount names them all among its options, so
    /// the first one is enough.
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
    /// Both paths are from the root of the cgroup namespace. In a container without a cgroup namespace the
    /// mount shows only a part, `root`, and the own cgroup is named in full.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Debian 12 with systemd.
    const DEBIAN_12: (&str, &str) = (
        "22 29 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw\n\
         23 29 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw\n\
         29 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n\
         33 22 0:28 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 \
         rw,nsdelegate,memory_recursiveprot\n",
        "0::/user.slice/user-1000.slice/session-3.scope\n",
    );

    /// Every controller on its own, cgroup2 beside them.
    const HYBRID: (&str, &str) = (
        "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
         23 27 0:22 / /sys rw,relatime - sysfs sysfs rw\n\
         31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
         32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
         33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct\n\
         34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n\
         35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
         40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n\
         41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
        "9:name=systemd:/\n8:pids:/\n4:memory:/job/7\n3:cpuset:/\n2:cpuacct:/\n1:cpu:/\n0::/\n",
    );

    /// CentOS 7 with systemd: controllers mounted together, with links beside them.
    const LEGACY: (&str, &str) = (
        "17 62 0:17 / /sys rw,nosuid,nodev,noexec,relatime shared:6 - sysfs sysfs rw,seclabel\n\
         62 1 253:0 / / rw,relatime shared:1 - xfs /dev/mapper/centos-root rw\n\
         24 17 0:20 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:8 - tmpfs tmpfs ro,mode=755\n\
         25 24 0:21 / /sys/fs/cgroup/systemd rw shared:9 - cgroup cgroup \
         rw,xattr,release_agent=/usr/lib/systemd/systemd-cgroups-agent,name=systemd\n\
         27 24 0:23 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpuacct,cpu\n\
         28 24 0:24 / /sys/fs/cgroup/net_cls,net_prio rw - cgroup cgroup rw,net_prio,net_cls\n\
         29 24 0:25 / /sys/fs/cgroup/memory rw shared:12 - cgroup cgroup rw,memory\n",
        "5:memory:/user.slice\n4:net_prio,net_cls:/\n3:cpuacct,cpu:/user.slice\n\
         1:name=systemd:/user.slice/user-0.slice/session-1.scope\n",
    );

    /// Inside a container of Docker on cgroup v1 without a cgroup namespace: parts of the hierarchies.
    const DOCKER_V1: (&str, &str) = (
        "600 500 0:60 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/u,workdir=/w\n\
         610 600 0:70 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro\n\
         611 610 0:71 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755\n\
         612 611 0:32 /docker/c0ffee /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
         613 611 0:29 /docker/c0ffee /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
        "5:memory:/docker/c0ffee\n3:cpu,cpuacct:/docker/c0ffee/inner\n1:name=systemd:/docker/c0ffee\n",
    );

    /// Inside a container of Docker on cgroup v2 with a cgroup namespace of its own.
    const DOCKER_V2: (&str, &str) = (
        "601 500 0:60 / / rw,relatime - overlay overlay rw\n\
         620 601 0:75 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro\n\
         621 620 0:28 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw\n",
        "0::/\n",
    );

    /// A user namespace that sees the mount of its host: its own place is above the namespace's root.
    const ROOTLESS: (&str, &str) = (
        "29 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
         22 29 0:20 / /sys rw shared:7 - sysfs sysfs rw\n\
         33 22 0:28 /../../.. /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
        "0::/../session.scope\n",
    );

    fn parse((mountinfo, own): (&str, &str)) -> Hierarchy {
        Hierarchy::parse(mountinfo.as_bytes(), own).unwrap()
    }

    fn own(mount: &Mount) -> &str {
        match &mount.own {
            Own::Below(path) => path,
            Own::Outside(_) => "outside",
            Own::Unknown => "unknown",
        }
    }

    fn legacy(hierarchy: &Hierarchy) -> Vec<(&str, &str, &str)> {
        hierarchy
            .legacy
            .iter()
            .map(|mount| (&*mount.controllers, &*mount.point, own(mount)))
            .collect()
    }

    #[test]
    fn debian_12_is_unified() {
        let found = parse(DEBIAN_12);
        assert_eq!(found.kind(), Kind::Unified);
        let mount = found.unified.unwrap();
        assert_eq!(mount.point, "/sys/fs/cgroup");
        assert_eq!(own(&mount), "/user.slice/user-1000.slice/session-3.scope");
    }

    #[test]
    fn hybrid_has_both_and_only_what_is_mounted() {
        let found = parse(HYBRID);
        assert_eq!(found.kind(), Kind::Hybrid);
        assert_eq!(found.unified.as_ref().unwrap().point, "/sys/fs/cgroup/unified");
        assert_eq!(
            legacy(&found),
            [
                ("name=systemd", "/sys/fs/cgroup/systemd", "/"),
                ("memory", "/sys/fs/cgroup/memory", "/job/7"),
                ("cpuset", "/sys/fs/cgroup/cpuset", "/"),
                ("cpuacct", "/sys/fs/cgroup/cpuacct", "/"),
                ("cpu", "/sys/fs/cgroup/cpu", "/"),
            ]
        );
    }

    #[test]
    fn legacy_takes_controllers_in_any_order() {
        let found = parse(LEGACY);
        assert_eq!(found.kind(), Kind::Legacy);
        assert_eq!(
            legacy(&found),
            [
                ("memory", "/sys/fs/cgroup/memory", "/user.slice"),
                ("net_prio,net_cls", "/sys/fs/cgroup/net_cls,net_prio", "/"),
                ("cpuacct,cpu", "/sys/fs/cgroup/cpu,cpuacct", "/user.slice"),
                (
                    "name=systemd",
                    "/sys/fs/cgroup/systemd",
                    "/user.slice/user-0.slice/session-1.scope"
                ),
            ]
        );
    }

    #[test]
    fn a_part_of_a_hierarchy_hides_the_way_to_it() {
        let found = parse(DOCKER_V1);
        assert_eq!(
            legacy(&found),
            [
                ("memory", "/sys/fs/cgroup/memory", "/"),
                ("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/inner"),
            ]
        );
    }

    #[test]
    fn a_cgroup_namespace_begins_at_its_root() {
        let found = parse(DOCKER_V2);
        assert_eq!(found.kind(), Kind::Unified);
        assert_eq!(own(&found.unified.unwrap()), "/");
    }

    #[test]
    fn what_is_above_the_namespace_is_outside() {
        assert_eq!(own(&parse(ROOTLESS).unified.unwrap()), "outside");
        assert_eq!(Own::new("/", "/../x"), Own::Outside("/../x".to_owned()));
        assert_eq!(
            Own::new("/docker/c0", "/docker/c0ffee"),
            Own::Outside("/docker/c0ffee".to_owned())
        );
    }

    #[test]
    fn no_cgroup_mount_is_none() {
        let found = parse(("29 1 254:1 / / rw - ext4 /dev/vda1 rw\n", "4:memory:/\n0::/\n"));
        assert_eq!(found.kind(), Kind::None);
        assert_eq!(parse(("", "")).kind(), Kind::None);
    }

    #[test]
    fn a_mount_point_that_can_not_be_recorded_is_refused() {
        let mountinfo = b"33 22 0:28 / /sys/fs/cg\\012roup rw - cgroup2 cgroup2 rw\n";
        assert!(matches!(Hierarchy::parse(mountinfo, "0::/\n"), Err(Error::Unreadable { .. })));
    }
}
