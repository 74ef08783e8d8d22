//! The host's mounts that show the kernel itself.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// Mount points of procfs and sysfs, innermost first.
///
/// # Errors
/// The mounts can't be read.
pub(crate) fn kernel_mounts() -> Result<Vec<PathBuf>> {
    Ok(kernel_mounts_of(&mountinfo()?))
}

/// Where all of the resctrl file system is mounted, if it is.
///
/// # Errors
/// The mounts can't be read.
pub(crate) fn resctrl_mount() -> Result<Option<PathBuf>> {
    Ok(resctrl_mount_of(&mountinfo()?))
}

/// What is mounted over a part of the file system of this kind, procfs or sysfs, that this process sees, and hides it.
pub(crate) fn hidden_part(kind: &str) -> Option<PathBuf> {
    hidden_part_of(&mountinfo().ok()?, kind)
}

fn mountinfo() -> Result<String> {
    let path = "/proc/thread-self/mountinfo";
    std::fs::read_to_string(path).map_err(|error| Error::at("read", path, error))
}

fn kernel_mounts_of(mountinfo: &str) -> Vec<PathBuf> {
    let of_kernel =
        |mount: Mount<'_>| matches!(mount.kind, "proc" | "sysfs").then(|| unescape(mount.point));
    let mut points: Vec<PathBuf> = mounts(mountinfo).filter_map(of_kernel).collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    points
}

/// The kernel has empty directories in both, on which mounts hide nothing.
fn hidden_part_of(mountinfo: &str, kind: &str) -> Option<PathBuf> {
    const ON_EMPTY: [&str; 12] = [
        "autofs",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "efivarfs",
        "fusectl",
        "pstore",
        "securityfs",
        "tracefs",
    ];
    let whole = |mount: &Mount<'_>| mount.kind == kind && mount.root == "/";
    let points: Vec<&str> = mounts(mountinfo).filter(whole).map(|mount| mount.point).collect();
    let hides = |mount: &Mount<'_>| {
        let is_below = |point: &str| {
            mount.point.strip_prefix(point).is_some_and(|below| below.starts_with('/'))
        };
        !ON_EMPTY.contains(&mount.kind) && points.iter().any(|point| is_below(point))
    };
    mounts(mountinfo).find(hides).map(|mount| unescape(mount.point))
}

fn resctrl_mount_of(mountinfo: &str) -> Option<PathBuf> {
    let whole = |mount: &Mount<'_>| mount.kind == "resctrl" && mount.root == "/";
    mounts(mountinfo).find(whole).map(|mount| unescape(mount.point))
}

/// A line of proc_pid_mountinfo(5).
struct Mount<'a> {
    kind: &'a str,
    /// The directory of the file system that is mounted.
    root: &'a str,
    point: &'a str,
}

/// The root is the fourth field, the mount point the fifth; the type follows the lone dash.
fn mounts(mountinfo: &str) -> impl Iterator<Item = Mount<'_>> {
    mountinfo.lines().filter_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        let mut fields = head.split(' ').skip(3);
        Some(Mount { kind: tail.split(' ').next()?, root: fields.next()?, point: fields.next()? })
    })
}

/// Blanks and backslashes stand as octal numbers.
fn unescape(text: &str) -> PathBuf {
    let text = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, letter)| text.replace(code, letter));
    PathBuf::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:20 / /proc rw - proc proc rw
24 22 0:21 / /sys rw - sysfs sysfs rw
25 24 0:22 / /sys/fs/cgroup rw - cgroup2 none rw
26 22 0:20 / /srv/a\\040b/proc rw - proc proc rw
";

    #[test]
    fn only_the_kernels_own_file_systems_are_found_innermost_first() {
        let found = kernel_mounts_of(TABLE);
        assert_eq!(found, ["/srv/a b/proc", "/proc", "/sys"].map(PathBuf::from));
    }

    #[test]
    fn what_hides_a_part_is_told_from_what_does_not() {
        assert_eq!(hidden_part_of(TABLE, "proc"), None);
        assert_eq!(hidden_part_of(TABLE, "sysfs"), None);
        let masked = format!(
            "{TABLE}27 23 0:30 / /proc/sys/fs/binfmt_misc rw - autofs x rw\n\
             28 23 0:5 /null /proc/kcore ro - devtmpfs x rw\n29 22 0:31 / /procession rw - tmpfs x rw\n"
        );
        assert_eq!(hidden_part_of(&masked, "proc"), Some("/proc/kcore".into()));
        assert_eq!(hidden_part_of(&masked, "sysfs"), None);
    }

    #[test]
    fn resctrl_is_found_wherever_it_is_mounted_whole() {
        assert_eq!(resctrl_mount_of(TABLE), None);
        let part = format!("{TABLE}27 24 0:24 /a /srv/a rw - resctrl resctrl rw\n");
        assert_eq!(resctrl_mount_of(&part), None);
        let whole = format!("{part}28 24 0:24 / /srv/x\\040y rw - resctrl none rw,mba_MBps\n");
        assert_eq!(resctrl_mount_of(&whole), Some("/srv/x y".into()));
    }
}
