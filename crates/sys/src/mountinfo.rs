//! The mounts that a process sees, from the text of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)).

/// A line of the text. Where paths are compared, they are as they stand there: the kernel escapes each in one way only.
#[derive(Clone, Copy, Debug)]
pub struct Mount<'a> {
    id: &'a [u8],
    parent: &'a [u8],
    /// The file system's number, `MAJOR:MINOR`.
    pub device: &'a [u8],
    root: &'a [u8],
    point: &'a [u8],
    /// The file system's type, such as `ext4`.
    pub kind: &'a [u8],
    /// The options of the file system, not those of the mount.
    pub options: &'a [u8],
}

/// The mounts in the order of the text. A line that is not as the kernel writes them comes as it stands.
pub fn mounts(text: &[u8]) -> impl Iterator<Item = Result<Mount<'_>, &[u8]>> {
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Mount::parse(line).ok_or(line))
}

impl<'a> Mount<'a> {
    /// `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS`
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(|&byte| byte == b' ');
        let (id, parent, device) = (fields.next()?, fields.next()?, fields.next()?);
        let (root, point) = (fields.next()?, fields.next()?);
        let mut fields = fields.skip_while(|&field| field != b"-").skip(1);
        let (kind, _source, options) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self { id, parent, device, root, point, kind, options })
    }

    /// The directory inside the file system that is mounted, `/` for all of it.
    pub fn root(&self) -> impl Iterator<Item = u8> + use<'a> {
        unescaped(self.root)
    }

    /// Where it is mounted, absolute.
    pub fn point(&self) -> impl Iterator<Item = u8> + use<'a> {
        unescaped(self.point)
    }

    /// Whether all of the file system is mounted, and not a directory of it.
    pub fn is_whole(&self) -> bool {
        self.root == b"/"
    }

    /// Whether it is mounted somewhere below another's place, not at it.
    pub fn is_below(&self, other: &Self) -> bool {
        self.point != other.point && is_at_or_below(self.point, other.point)
    }

    /// Whether no path leads to it: another of `mounts`, of which it is one, is mounted on top of it, or over a directory
    /// on the way to it. What is over what is told by who stands on whom, since a mount can be moved; only among those at
    /// one place by their order.
    pub fn is_hidden(&self, mounts: &[Self]) -> bool {
        let is_on_top = |other: &Self| {
            other.parent == self.id && other.id != self.id && other.point == self.point
        };
        if mounts.iter().any(is_on_top) {
            return true;
        }
        let mut step = self;
        // A parent's id can't come up twice, but the text may be anyone's.
        for _ in mounts {
            if step.is_covered(mounts) {
                return true;
            }
            match step.parent_in(mounts) {
                Some(parent) => step = parent,
                None => return false,
            }
        }
        true
    }

    /// Whether another that stands on the same mount lies over its place, or over a directory above that.
    fn is_covered(&self, mounts: &[Self]) -> bool {
        let parent = self.parent_in(mounts).map(|parent| parent.id);
        let is_beside = |other: &Self| other.parent_in(mounts).map(|on| on.id) == parent;
        let mut later = mounts.iter().rev().take_while(|other| other.id != self.id);
        later.any(|other| other.point == self.point && is_beside(other))
            || mounts.iter().any(|other| self.is_below(other) && is_beside(other))
    }

    /// What it stands on, if that is in sight.
    fn parent_in<'m>(&self, mounts: &'m [Self]) -> Option<&'m Self> {
        mounts.iter().find(|mount| mount.id == self.parent && mount.id != self.id)
    }
}

fn is_at_or_below(path: &[u8], above: &[u8]) -> bool {
    match path.strip_prefix(above) {
        Some(rest) => rest.is_empty() || rest[0] == b'/' || above == b"/",
        None => false,
    }
}

/// Takes `\040` for a space and so on, as the kernel writes space, tab, newline and backslash.
fn unescaped(mut field: &[u8]) -> impl Iterator<Item = u8> {
    core::iter::from_fn(move || {
        let (first, rest) = field.split_first()?;
        if let (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..]) =
            (*first, rest)
        {
            field = rest;
            return Some((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
        }
        field = rest;
        Some(*first)
    })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;
    use std::vec::Vec;

    use super::*;

    fn text(bytes: impl Iterator<Item = u8>) -> String {
        String::from_utf8(bytes.collect()).unwrap()
    }

    /// The mount points that paths lead to.
    fn visible(lines: &str) -> Vec<String> {
        let all: Vec<Mount<'_>> = mounts(lines.as_bytes()).map(Result::unwrap).collect();
        let visible = all.iter().filter(|mount| !mount.is_hidden(&all));
        visible.map(|mount| text(mount.point())).collect()
    }

    #[test]
    fn optional_fields_may_be_none_or_many() {
        let lines = b"1 0 0:1 /r /a rw - cgroup2 none rw,nsdelegate\n\
                      2 0 0:2 / /b rw shared:1 master:2 propagate_from:3 unbindable - ext4 x rw\n";
        let found: Vec<Mount<'_>> = mounts(lines).map(Result::unwrap).collect();
        assert_eq!((text(found[0].root()), text(found[0].point())), ("/r".into(), "/a".into()));
        assert_eq!((found[0].kind, found[0].options), (&b"cgroup2"[..], &b"rw,nsdelegate"[..]));
        assert_eq!((found[1].kind, found[1].device), (&b"ext4"[..], &b"0:2"[..]));
        assert!(!found[0].is_whole() && found[1].is_whole());
    }

    #[test]
    fn odd_lines_come_as_they_stand() {
        for line in ["1 0 0:1 /", "1 0 0:1 / /c rw ext4 x rw", "1 0 0:1 / /c rw - ext4 x"] {
            assert_eq!(mounts(line.as_bytes()).next().unwrap().unwrap_err(), line.as_bytes());
        }
        assert!(mounts(b"\n").next().is_none());
    }

    #[test]
    fn escapes_are_bytes() {
        let plain = |field| unescaped(field).collect::<Vec<u8>>();
        assert_eq!(plain(br"/a\040b\134\011"), b"/a b\\\t");
        assert_eq!(plain(br"/a\9\04\377"), b"/a\\9\\04\xff");
    }

    #[test]
    fn a_mount_on_top_hides_what_it_stands_on() {
        let lines = "1 0 8:1 / / rw - rootfs a rw\n\
                     2 1 8:2 / /gone rw - ext4 b rw\n\
                     3 1 8:3 / / rw - ext4 c rw\n\
                     4 3 8:4 / /home rw - ext4 d rw\n\
                     5 4 8:5 / /home rw - xfs e rw\n";
        assert_eq!(visible(lines), ["/", "/home"]);
    }

    #[test]
    fn a_mount_over_a_directory_hides_what_is_below() {
        let lines = "1 0 8:1 / / rw - ext4 a rw\n\
                     2 1 8:2 / /srv/deep/er rw - ext4 b rw\n\
                     3 2 8:3 / /srv/deep/er/est rw - ext4 c rw\n\
                     4 1 8:4 / /srv rw - xfs d rw\n\
                     5 4 8:5 / /srv/new rw - ext4 e rw\n\
                     6 1 8:6 / /srv2 rw - ext4 f rw\n";
        assert_eq!(visible(lines), ["/", "/srv", "/srv/new", "/srv2"]);
    }

    /// A mount that was moved over another keeps its place in the text.
    #[test]
    fn the_order_of_the_text_is_not_that_of_the_mounts() {
        let lines = "3 2 8:3 / /srv/new rw - ext4 c rw\n\
                     2 1 8:2 / /srv rw - ext4 b rw\n\
                     4 1 8:4 / /srv/old rw - ext4 d rw\n\
                     1 0 8:1 / / rw - ext4 a rw\n";
        assert_eq!(visible(lines), ["/srv/new", "/srv", "/"]);
    }

    #[test]
    fn the_later_of_two_side_by_side_is_seen() {
        let lines = "1 0 0:1 / / rw - ext4 x rw\n\
                     2 1 0:2 /2 /c rw - ext4 x rw\n\
                     3 1 0:3 / /c rw - ext4 x rw\n\
                     4 2 0:4 / /c/d rw - ext4 x rw\n";
        assert_eq!(visible(lines), ["/", "/c"]);
    }

    /// As after chroot(2) to a directory that nothing is mounted on: what holds it is not in sight.
    #[test]
    fn there_may_be_no_mount_on_the_root() {
        let lines = "5 1 0:2 / /proc rw - proc x rw\n\
                     6 2 0:3 / /sys rw - sysfs x rw\n\
                     7 6 0:4 / /sys rw - tmpfs x rw\n\
                     8 9 0:5 / /proc/sys rw - tmpfs x rw\n\
                     9 5 0:5 / /proc/sys rw - ext4 x rw\n";
        assert_eq!(visible(lines), ["/proc", "/sys", "/proc/sys"]);
        assert_eq!(
            visible("1 1 0:1 / / rw - rootfs x rw\n"),
            ["/"],
            "a root that stands on itself"
        );
    }

    #[test]
    fn nothing_leads_into_a_loop() {
        assert_eq!(
            visible(
                "2 3 0:2 / /c rw - ext4 x rw\n3 2 0:3 / /c/d rw - ext4 x rw\n4 1 0:3 / /e rw - ext4 x rw\n"
            ),
            ["/e"]
        );
    }
}
