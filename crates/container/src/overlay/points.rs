//! The host's mount points, from the text of `/proc/self/mountinfo`.

use coble_sys::mountinfo::{Mount, mounts};

/// A mount that a path can lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// Where it is mounted, absolute.
    pub(super) path: String,
    /// The file system's type, such as `ext4`.
    pub(super) kind: String,
}

/// The mounts that no other mount hides, sorted by path, so that `/` is the first.
///
/// A line that is not understood is passed over. A path that is not UTF-8 keeps its place in the tree, but with
/// replacement characters; no configuration could name it anyway.
pub(super) fn visible_points(mountinfo: &[u8]) -> Vec<Point> {
    let all: Vec<Mount<'_>> = mounts(mountinfo).flatten().collect();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let point = |mount: &Mount<'_>| Point {
        path: text(&mount.point().collect::<Vec<u8>>()),
        kind: text(mount.kind),
    };
    let mut points: Vec<Point> =
        all.iter().filter(|mount| !mount.is_hidden(&all)).map(point).collect();
    points.sort_by(|a, b| a.path.cmp(&b.path));
    points
}

/// Whether `path` lies below `directory`, not being the same.
pub(super) fn is_below(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_sight_is_sorted_and_what_is_not_understood_passed_over() {
        let text = b"x y z\n\
                     30 27 8:2 /@sub /mnt/\xff\\040b\\134c rw - btrfs /dev/sda2 rw,subvol=/@sub\n\
                     31 27 8:3 / /srv/a rw - ext4 /dev/sda3 rw\n\
                     32 27 8:4 / /srv rw - xfs /dev/sda4 rw\n\
                     27 1 8:1 / / rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw\n";
        let point = |path: &str, kind: &str| Point { path: path.into(), kind: kind.into() };
        let found =
            [point("/", "ext4"), point("/mnt/\u{fffd} b\\c", "btrfs"), point("/srv", "xfs")];
        assert_eq!(visible_points(text), found);
        assert!(visible_points(b"").is_empty());
    }

    #[test]
    fn a_name_is_not_below_its_own_prefix() {
        assert!(is_below("/usr/bin", "/usr") && is_below("/usr", "/"));
        assert!(!is_below("/usr", "/usr") && !is_below("/usr2", "/usr") && !is_below("/", "/"));
    }
}
