//! `/proc/self/mountinfo` and `/proc/self/cgroup` as data (proc_pid_mountinfo(5), cgroups(7)).

use crate::Error;

/// A mount of a cgroup file system that a path can still reach.
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

/// Every cgroup mount in the order of the file, without those that a later mount hides.
///
/// # Errors
/// [`Error::Unreadable`] for a line that is not as the kernel writes them.
pub(crate) fn cgroup_mounts(mountinfo: &[u8]) -> Result<Vec<CgroupMount>, Error> {
    let mut lines = Vec::new();
    for line in mountinfo.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        lines.push(Line::parse(line).ok_or_else(|| Error::Unreadable {
            path: "/proc/self/mountinfo".to_owned(),
            reason: format!("odd line {:?}", String::from_utf8_lossy(line)),
        })?);
    }
    let mut mounts = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let is_v2 = line.kind == b"cgroup2";
        if (is_v2 || line.kind == b"cgroup") && !is_hidden(&lines, index) {
            let text = |bytes: &[u8]| {
                String::from_utf8(unescape(bytes)).map_err(|_| Error::Unreadable {
                    path: "/proc/self/mountinfo".to_owned(),
                    reason: "a cgroup mount is not UTF-8".to_owned(),
                })
            };
            mounts.push(CgroupMount {
                root: text(line.root)?,
                point: text(line.point)?,
                is_v2,
                options: text(line.options)?,
            });
        }
    }
    Ok(mounts)
}

/// The fields that are needed, still escaped.
struct Line<'a> {
    id: &'a [u8],
    parent: &'a [u8],
    root: &'a [u8],
    point: &'a [u8],
    kind: &'a [u8],
    options: &'a [u8],
}

impl<'a> Line<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(|&byte| byte == b' ');
        let (id, parent, _device) = (fields.next()?, fields.next()?, fields.next()?);
        let (root, point) = (fields.next()?, fields.next()?);
        // The mount's own options, then any number of optional fields up to a lone dash.
        let mut fields = fields.skip_while(|&field| field != b"-").skip(1);
        let (kind, _source, options) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self { id, parent, root, point, kind, options })
    }
}

/// Whether a later mount lies over this one: at the same place or above it, and not what it stands on.
fn is_hidden(lines: &[Line<'_>], index: usize) -> bool {
    let mount = &lines[index];
    lines[index + 1..]
        .iter()
        .any(|later| is_below(mount.point, later.point) && !is_ancestor(lines, later.id, mount))
}

fn is_below(path: &[u8], above: &[u8]) -> bool {
    match path.strip_prefix(above) {
        Some(rest) => rest.is_empty() || rest[0] == b'/' || above == b"/",
        None => false,
    }
}

fn is_ancestor(lines: &[Line<'_>], id: &[u8], mount: &Line<'_>) -> bool {
    let mut parent = mount.parent;
    // A parent's id can't come up twice, but the text may be anyone's.
    for _ in 0..lines.len() {
        if parent == id {
            return true;
        }
        match lines.iter().find(|line| line.id == parent) {
            Some(line) => parent = line.parent,
            None => return false,
        }
    }
    false
}

/// Takes `\040` for a space and so on, as the kernel writes space, tab, newline and backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        if let (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) =
            (*first, tail)
        {
            plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = after;
        } else {
            plain.push(*first);
            rest = tail;
        }
    }
    plain
}

/// One line of `/proc/self/cgroup`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Membership<'a> {
    /// Such as `cpu,cpuacct` or `name=systemd`; empty for v2.
    pub(crate) controllers: &'a str,
    /// From the root of the cgroup namespace.
    pub(crate) path: &'a str,
}

/// The lines of `/proc/self/cgroup`.
///
/// # Errors
/// [`Error::Unreadable`] for a line that is not as the kernel writes them.
pub(crate) fn memberships(text: &str) -> Result<Vec<Membership<'_>>, Error> {
    let parse = |line| {
        let mut fields = str::splitn(line, 3, ':').skip(1);
        Some(Membership { controllers: fields.next()?, path: fields.next()? })
    };
    text.lines()
        .map(|line| {
            parse(line).ok_or_else(|| Error::Unreadable {
                path: "/proc/self/cgroup".to_owned(),
                reason: format!("odd line {line:?}"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(mountinfo: &str) -> Vec<String> {
        cgroup_mounts(mountinfo.as_bytes()).unwrap().into_iter().map(|mount| mount.point).collect()
    }

    #[test]
    fn optional_fields_may_be_none_or_many() {
        let text = "1 0 0:1 /r /a rw - cgroup2 none rw,nsdelegate\n\
                    2 0 0:2 / /b rw shared:1 master:2 propagate_from:3 unbindable - cgroup x rw,cpu\n";
        let mounts = cgroup_mounts(text.as_bytes()).unwrap();
        assert_eq!(
            (&*mounts[0].root, mounts[0].is_v2, &*mounts[0].options),
            ("/r", true, "rw,nsdelegate")
        );
        assert_eq!(
            (&*mounts[1].point, mounts[1].is_v2, &*mounts[1].options),
            ("/b", false, "rw,cpu")
        );
    }

    #[test]
    fn a_mount_over_it_hides_a_mount() {
        // Over the same place, on top of it or beside it.
        assert_eq!(
            points(
                "1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /c rw - cgroup2 x rw\n3 2 0:3 / /c rw - tmpfs x rw\n"
            ),
            [""; 0]
        );
        assert_eq!(
            points(
                "1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /c rw - cgroup2 x rw\n3 1 0:3 / /c rw - cgroup2 x rw\n"
            ),
            ["/c"]
        );
        // Over a directory above it.
        assert_eq!(
            points(
                "1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /a/c rw - cgroup x rw\n3 1 0:3 / /a rw - tmpfs x rw\n"
            ),
            [""; 0]
        );
    }

    #[test]
    fn what_a_mount_stands_on_does_not_hide_it() {
        // The parent may come later in the list.
        assert_eq!(
            points("2 3 0:2 / /a/c rw - cgroup x rw\n3 1 0:3 / /a rw - tmpfs x rw\n"),
            ["/a/c"]
        );
        // A name that only begins alike is another one.
        assert_eq!(
            points("2 1 0:2 / /a/cpu,cpuacct rw - cgroup x rw\n3 1 0:3 / /a/cpu rw - tmpfs x rw\n"),
            ["/a/cpu,cpuacct"]
        );
    }

    #[test]
    fn a_loop_of_parents_ends() {
        assert_eq!(
            points("2 3 0:2 / /c rw - cgroup x rw\n3 2 0:3 / /c/d rw - tmpfs x rw\n"),
            ["/c"]
        );
        assert_eq!(
            points(
                "2 5 0:2 / /c rw - cgroup x rw\n5 2 0:3 / /x rw - tmpfs x rw\n9 1 0:4 / /c rw - tmpfs x rw\n"
            ),
            [""; 0]
        );
    }

    #[test]
    fn escapes_are_bytes() {
        assert_eq!(unescape(br"/a\040b\134\011"), b"/a b\\\t");
        assert_eq!(unescape(br"/a\9\04"), br"/a\9\04");
        assert_eq!(points("1 0 0:1 / /c\\040d rw - cgroup2 x rw\n"), ["/c d"]);
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
        assert!(cgroup_mounts(b"1 0 0:1 / /c rw cgroup2 x rw\n").is_err(), "no dash");
        assert!(memberships("0\n").is_err());
    }

    #[test]
    fn a_path_may_have_colons() {
        assert_eq!(
            memberships("0::/a:b\n").unwrap(),
            [Membership { controllers: "", path: "/a:b" }]
        );
    }
}
