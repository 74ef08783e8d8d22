//! The host's mounts that show the kernel itself.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use coble_sys::mountinfo::{Mount, mounts};

use crate::error::{Error, Result};

/// Mount points of procfs and sysfs, innermost first: hidden ones too, since what hides them may go.
///
/// # Errors
/// The mounts can't be read.
pub(crate) fn kernel_mounts() -> Result<Vec<PathBuf>> {
    Ok(kernel_mounts_of(&mountinfo()?))
}

/// Where all of the resctrl file system is mounted and not hidden, if it is.
///
/// # Errors
/// The mounts can't be read.
pub(crate) fn resctrl_mount() -> Result<Option<PathBuf>> {
    Ok(resctrl_mount_of(&mountinfo()?))
}

/// What is mounted over a part of the file system of this kind, procfs or sysfs, and hides it. The kernel looks at all
/// that are mounted, whether or not they are hidden themselves.
pub(crate) fn hidden_part(kind: &str) -> Option<PathBuf> {
    hidden_part_of(&mountinfo().ok()?, kind.as_bytes())
}

fn mountinfo() -> Result<Vec<u8>> {
    let path = "/proc/thread-self/mountinfo";
    std::fs::read(path).map_err(|error| Error::at("read", path, error))
}

fn kernel_mounts_of(mountinfo: &[u8]) -> Vec<PathBuf> {
    let of_kernel = |mount: &Mount<'_>| matches!(mount.kind, b"proc" | b"sysfs");
    let mut points: Vec<PathBuf> =
        mounts(mountinfo).flatten().filter(of_kernel).map(|mount| point(&mount)).collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    points
}

/// The kernel has empty directories in both, on which mounts hide nothing.
fn hidden_part_of(mountinfo: &[u8], kind: &[u8]) -> Option<PathBuf> {
    const ON_EMPTY: [&[u8]; 12] = [
        b"autofs",
        b"binfmt_misc",
        b"bpf",
        b"cgroup",
        b"cgroup2",
        b"configfs",
        b"debugfs",
        b"efivarfs",
        b"fusectl",
        b"pstore",
        b"securityfs",
        b"tracefs",
    ];
    let all: Vec<Mount<'_>> = mounts(mountinfo).flatten().collect();
    let whole = |mount: &&Mount<'_>| mount.kind == kind && mount.is_whole();
    let hides = |mount: &&Mount<'_>| {
        !ON_EMPTY.contains(&mount.kind)
            && all.iter().filter(whole).any(|whole| mount.is_below(whole))
    };
    all.iter().find(hides).map(point)
}

fn resctrl_mount_of(mountinfo: &[u8]) -> Option<PathBuf> {
    let all: Vec<Mount<'_>> = mounts(mountinfo).flatten().collect();
    let is_it =
        |mount: &&Mount<'_>| mount.kind == b"resctrl" && mount.is_whole() && !mount.is_hidden(&all);
    all.iter().find(is_it).map(point)
}

fn point(mount: &Mount<'_>) -> PathBuf {
    OsString::from_vec(mount.point().collect()).into()
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
        let found = kernel_mounts_of(TABLE.as_bytes());
        assert_eq!(found, ["/srv/a b/proc", "/proc", "/sys"].map(PathBuf::from));
    }

    #[test]
    fn what_hides_a_part_is_told_from_what_does_not() {
        let hidden_part = |table: &str, kind: &[u8]| hidden_part_of(table.as_bytes(), kind);
        assert_eq!(hidden_part(TABLE, b"proc"), None);
        assert_eq!(hidden_part(TABLE, b"sysfs"), None);
        let masked = format!(
            "{TABLE}27 23 0:30 / /proc/sys/fs/binfmt_misc rw - autofs x rw\n\
             28 23 0:5 /null /proc/kcore ro - devtmpfs x rw\n29 22 0:31 / /procession rw - tmpfs x rw\n"
        );
        assert_eq!(hidden_part(&masked, b"proc"), Some("/proc/kcore".into()));
        assert_eq!(hidden_part(&masked, b"sysfs"), None);
    }

    #[test]
    fn resctrl_is_found_wherever_it_is_mounted_whole_and_in_sight() {
        let resctrl_mount = |table: &str| resctrl_mount_of(table.as_bytes());
        assert_eq!(resctrl_mount(TABLE), None);
        let part = format!("{TABLE}27 24 0:24 /a /srv/a rw - resctrl resctrl rw\n");
        assert_eq!(resctrl_mount(&part), None);
        let hidden = format!(
            "{part}28 22 0:24 / /srv/b rw - resctrl none rw\n29 28 0:31 / /srv/b rw - tmpfs x rw\n"
        );
        assert_eq!(resctrl_mount(&hidden), None);
        let whole = format!("{hidden}30 22 0:24 / /srv/x\\040y rw - resctrl none rw,mba_MBps\n");
        assert_eq!(resctrl_mount(&whole), Some("/srv/x y".into()));
    }
}
