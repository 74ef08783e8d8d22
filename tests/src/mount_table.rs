//! A container's mount table, as it sees it itself.

use crate::bundle::Bundle;
use crate::case::Case;

/// A line of `/proc/PID/mountinfo`, proc_pid_mountinfo(5).
#[derive(Clone, Debug)]
pub struct MountLine {
    /// Its number.
    pub id: String,
    /// What of the file system is shown.
    pub root: String,
    /// Where.
    pub point: String,
    /// The mount's own options.
    pub flags: Vec<String>,
    /// The optional fields, such as `shared:7`.
    pub propagation: Vec<String>,
    /// The file system's name.
    pub kind: String,
    /// The file system's options.
    pub data: Vec<String>,
}

impl MountLine {
    /// Reads a line.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let (left, right) = line.split_once(" - ").expect("a line of mountinfo");
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let list = |text: &str| text.split(',').map(str::to_owned).collect();
        Self {
            id: left[0].to_owned(),
            root: left[3].to_owned(),
            point: left[4].to_owned(),
            flags: list(left[5]),
            propagation: left[6..].iter().map(|field| (*field).to_owned()).collect(),
            kind: right[0].to_owned(),
            data: list(right[2]),
        }
    }

    /// The line of the topmost mount on `point`.
    ///
    /// # Panics
    /// When nothing is mounted there.
    #[track_caller]
    #[must_use]
    pub fn find(table: &str, point: &str) -> Self {
        let found = table.lines().map(Self::parse).rfind(|line| line.point == point);
        found.unwrap_or_else(|| panic!("nothing is mounted on {point}:\n{table}"))
    }
}

impl Case {
    /// The mount table that the bundle's container sees, whose program this replaces.
    ///
    /// # Panics
    /// When the container can't be run.
    #[track_caller]
    #[must_use]
    pub fn mount_table(&self, bundle: &mut Bundle) -> String {
        bundle.args(&["cat", "/proc/self/mountinfo"]);
        self.run(bundle).output().stdout()
    }

    /// The line of the topmost mount on `point` in it.
    ///
    /// # Panics
    /// When nothing is mounted there.
    #[track_caller]
    #[must_use]
    pub fn mount_line(&self, bundle: &mut Bundle, point: &str) -> MountLine {
        MountLine::find(&self.mount_table(bundle), point)
    }
}
