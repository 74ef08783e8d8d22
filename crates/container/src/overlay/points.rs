//! The host's mount points, from the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

/// A mount that a path can lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// Where it is mounted, absolute.
    pub(super) path: String,
    /// The file system's type, such as `ext4`.
    pub(super) kind: String,
}

/// One line of the file.
struct Line {
    id: u32,
    parent: u32,
    point: Point,
}

/// The mounts that no later mount hides, sorted by path, so that `/` is the first.
///
/// A line that is not understood is passed over. A path that is not UTF-8 keeps its place in the tree, but with
/// replacement characters; no configuration could name it anyway.
pub(super) fn visible_points(mountinfo: &str) -> Vec<Point> {
    let lines: Vec<Line> = mountinfo.lines().filter_map(parse).collect();
    let is_top =
        |line: &&Line| line.point.path == "/" && !lines.iter().any(|l| l.id == line.parent);
    let mut points = Vec::new();
    if let Some(top) = lines.iter().find(is_top) {
        collect(top, &lines, &mut points);
    }
    points.sort_by(|a, b| a.path.cmp(&b.path));
    points
}

/// Whether `path` lies below `directory`, not being the same.
pub(super) fn is_below(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
}

fn collect(mount: &Line, lines: &[Line], points: &mut Vec<Point>) {
    let children = || lines.iter().filter(|line| line.parent == mount.id && line.id != mount.id);
    if let Some(cover) = children().find(|child| child.point.path == mount.point.path) {
        return collect(cover, lines, points);
    }
    points.push(mount.point.clone());
    for child in children() {
        if !children().any(|sibling| is_below(&child.point.path, &sibling.point.path)) {
            collect(child, lines, points);
        }
    }
}

/// `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG...] - TYPE SOURCE OPTIONS`
fn parse(line: &str) -> Option<Line> {
    let (left, right) = line.split_once(" - ")?;
    let mut words = left.split(' ');
    let id = words.next()?.parse().ok()?;
    let parent = words.next()?.parse().ok()?;
    let path = unescape(words.nth(2)?);
    let kind = right.split(' ').next()?.to_owned();
    Some(Line { id, parent, point: Point { path, kind } })
}

/// Space, tab, newline and backslash stand as `\` and three octal digits.
fn unescape(word: &str) -> String {
    let mut parts = word.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                text.push(char::from(byte));
                text.push_str(&part[3..]);
            }
            None => text.push_str(part),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(mountinfo: &str) -> Vec<String> {
        visible_points(mountinfo).into_iter().map(|point| point.path).collect()
    }

    #[test]
    fn tags_and_escapes_are_read() {
        let text = "27 1 8:1 / / rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw\n\
                    30 27 8:2 /@sub /mnt/a\\040b\\134c rw - btrfs /dev/sda2 rw,subvol=/@sub\n";
        let point = |path: &str, kind: &str| Point { path: path.into(), kind: kind.into() };
        assert_eq!(visible_points(text), [point("/", "ext4"), point("/mnt/a b\\c", "btrfs")]);
    }

    #[test]
    fn a_later_mount_hides_what_is_below_it() {
        let text = "1 0 8:1 / / rw - ext4 a rw\n\
                    2 1 8:2 / /srv/deep rw - ext4 b rw\n\
                    3 1 8:3 / /srv rw - xfs c rw\n\
                    4 3 8:4 / /srv/new rw - ext4 d rw\n";
        assert_eq!(paths(text), ["/", "/srv", "/srv/new"]);
    }

    #[test]
    fn a_mount_on_top_of_a_mount_hides_it_whole() {
        let text = "1 0 8:1 / / rw - rootfs a rw\n\
                    2 1 8:2 / /gone rw - ext4 b rw\n\
                    3 1 8:3 / / rw - ext4 c rw\n\
                    4 3 8:4 / /home rw - ext4 d rw\n\
                    5 4 8:5 / /home rw - xfs e rw\n";
        let points = visible_points(text);
        assert_eq!(paths(text), ["/", "/home"]);
        assert_eq!((&*points[0].kind, &*points[1].kind), ("ext4", "xfs"));
    }

    #[test]
    fn a_name_is_not_below_its_own_prefix() {
        assert!(is_below("/usr/bin", "/usr") && is_below("/usr", "/"));
        assert!(!is_below("/usr", "/usr") && !is_below("/usr2", "/usr") && !is_below("/", "/"));
    }

    #[test]
    fn nonsense_gives_nothing() {
        assert!(paths("").is_empty());
        assert!(paths("x y z\n1 0 8:1 / /\n1 1 8:1 - -\n").is_empty());
    }
}
