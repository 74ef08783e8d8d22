//! The cgroup file systems that are mounted.

use coble_sys::mountinfo::{Mount, mounts};

use crate::Error;

/// A mount of a cgroup file system that a path can reach.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CgroupMount {
    /// The directory inside the file system that is mounted, `/` for all of it.
    pub(crate) root: String,
    /// Where.
    pub(crate) point: String,
    /// `cgroup2` and not `cgroup`.
    pub(crate) is_v2: bool,
    /// The options of the file system; for v1 the controllers and `name=` are among them.
    pub(crate) options: String,
}

/// Every cgroup mount in the order of `/proc/self/mountinfo`, without those that another mount hides.
///
/// # Errors
/// [`Error::Unreadable`] for a line that is not as the kernel writes them.
pub(crate) fn cgroup_mounts(mountinfo: &[u8]) -> Result<Vec<CgroupMount>, Error> {
    let all: Vec<Mount<'_>> = mounts(mountinfo)
        .collect::<Result<_, _>>()
        .map_err(|line| unreadable(format!("odd line {:?}", String::from_utf8_lossy(line))))?;
    let is_cgroup = |mount: &&Mount<'_>| matches!(mount.kind, b"cgroup" | b"cgroup2");
    all.iter()
        .filter(is_cgroup)
        .filter(|mount| !mount.is_hidden(&all))
        .map(|mount| {
            Ok(CgroupMount {
                root: text(mount.root())?,
                point: text(mount.point())?,
                is_v2: mount.kind == b"cgroup2",
                options: text(mount.options.iter().copied())?,
            })
        })
        .collect()
}

fn text(bytes: impl Iterator<Item = u8>) -> Result<String, Error> {
    String::from_utf8(bytes.collect())
        .map_err(|_| unreadable("a cgroup mount is not UTF-8".to_owned()))
}

fn unreadable(reason: String) -> Error {
    Error::Unreadable { path: "/proc/self/mountinfo".to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(mountinfo: &str) -> Vec<String> {
        cgroup_mounts(mountinfo.as_bytes()).unwrap().into_iter().map(|mount| mount.point).collect()
    }

    #[test]
    fn only_cgroup_file_systems_in_sight_are_taken() {
        assert_eq!(
            points(
                "1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /a\\040c rw - cgroup2 x rw\n\
                 3 1 0:3 / /b/c rw - cgroup x rw\n4 1 0:4 / /b rw - tmpfs x rw\n"
            ),
            ["/a c"]
        );
    }

    #[test]
    fn other_mounts_may_be_any_bytes() {
        let text = b"1 0 0:1 / /\xff rw - ext4 \xfe rw\n2 1 0:2 / /c rw - cgroup2 x rw\n";
        assert_eq!(cgroup_mounts(text).unwrap().len(), 1);
        assert!(cgroup_mounts(b"2 1 0:2 / /\xff rw - cgroup2 x rw\n").is_err());
    }

    #[test]
    fn odd_lines_are_errors() {
        assert!(cgroup_mounts(b"1 0 0:1 /\n").is_err());
    }
}
