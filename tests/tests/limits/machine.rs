//! What limits the machine has, and how large they may be.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where hierarchies are mounted.
pub(crate) const TOP: &str = "/sys/fs/cgroup";

/// What a new cgroup of this machine looks like.
pub(crate) struct Machine {
    /// cgroup v2 alone.
    pub(crate) is_v2: bool,
    files: BTreeSet<String>,
    /// Major and minor number of a whole disk.
    pub(crate) disk: Option<(u64, u64)>,
    /// Whether that disk has the scheduler BFQ, without which it takes no weight.
    pub(crate) disk_has_weight: bool,
}

impl Machine {
    /// Makes a cgroup in each hierarchy to look at its files.
    pub(crate) fn look(id: &str) -> Self {
        let is_v2 = Path::new(TOP).join("cgroup.controllers").exists();
        let mut files = BTreeSet::new();
        for hierarchy in hierarchies(is_v2) {
            let folder = hierarchy.join(id);
            fs::create_dir(&folder).unwrap();
            let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
            files.extend(entries.map(|name| name.into_string().unwrap()));
            fs::remove_dir(&folder).unwrap();
        }
        let disk = disk();
        let scheduler = disk.as_ref().map(|(name, _)| format!("/sys/block/{name}/queue/scheduler"));
        let scheduler = scheduler.and_then(|path| fs::read_to_string(path).ok());
        Self {
            is_v2,
            files,
            disk: disk.map(|(_, numbers)| numbers),
            disk_has_weight: scheduler.is_some_and(|text| text.contains("[bfq]")),
        }
    }

    /// Whether a new cgroup has this file.
    pub(crate) fn has(&self, file: &str) -> bool {
        self.files.contains(file)
    }

    /// The sizes of huge pages that can be limited.
    pub(crate) fn page_sizes(&self) -> Vec<&str> {
        let end = if self.is_v2 { ".rsvd.max" } else { ".rsvd.limit_in_bytes" };
        let size = |file: &'_ String| -> Option<&str> {
            let file: &str = self.files.get(file)?;
            file.strip_prefix("hugetlb.")?.strip_suffix(end)
        };
        self.files.iter().filter_map(size).collect()
    }
}

/// The top folder of each hierarchy that the three have in common.
pub(crate) fn hierarchies(is_v2: bool) -> Vec<PathBuf> {
    if is_v2 {
        return vec![TOP.into()];
    }
    let entries = fs::read_dir(TOP).unwrap().map(|entry| entry.unwrap());
    // Links are other names of the same; v2 is out of sight of the runtimes.
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let folders = folders.map(|entry| entry.path());
    folders.filter(|path| path.join("tasks").exists()).collect()
}

/// The first disk that isn't one of memory.
fn disk() -> Option<(String, (u64, u64))> {
    let mut names: Vec<String> = fs::read_dir("/sys/block")
        .ok()?
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let name = names
        .into_iter()
        .find(|name| ["vd", "sd", "nvme", "xvd"].iter().any(|kind| name.starts_with(kind)))?;
    let text = fs::read_to_string(format!("/sys/block/{name}/dev")).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    Some((name, (major.parse().ok()?, minor.parse().ok()?)))
}
