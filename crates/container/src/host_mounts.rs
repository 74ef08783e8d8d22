//! The host's mounts that show the kernel itself.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// Mount points of procfs and sysfs, innermost first.
///
/// # Errors
/// The mounts can't be read.
pub(crate) fn kernel_mounts() -> Result<Vec<PathBuf>> {
    let path = "/proc/self/mountinfo";
    let text = std::fs::read_to_string(path).map_err(|error| Error::at("read", path, error))?;
    Ok(parse(&text))
}

/// proc_pid_mountinfo(5): the mount point is the fifth field, the type follows the lone dash.
fn parse(mountinfo: &str) -> Vec<PathBuf> {
    let mut points: Vec<PathBuf> = mountinfo
        .lines()
        .filter_map(|line| {
            let (head, tail) = line.split_once(" - ")?;
            let kind = tail.split(' ').next()?;
            let point = head.split(' ').nth(4)?;
            matches!(kind, "proc" | "sysfs").then(|| unescape(point))
        })
        .collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    points
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

    #[test]
    fn only_the_kernels_own_file_systems_are_found_innermost_first() {
        let text = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:20 / /proc rw - proc proc rw
24 22 0:21 / /sys rw - sysfs sysfs rw
25 24 0:22 / /sys/fs/cgroup rw - cgroup2 none rw
26 22 0:20 / /srv/a\\040b/proc rw - proc proc rw
";
        let found = parse(text);
        assert_eq!(found, ["/srv/a b/proc", "/proc", "/sys"].map(PathBuf::from));
    }
}
