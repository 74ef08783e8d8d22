//! What can be seen of a container from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// Files of cgroups in which limits stand.
const LIMITS: [&str; 40] = [
    "memory.limit_in_bytes",
    "memory.soft_limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.kmem.limit_in_bytes",
    "memory.kmem.tcp.limit_in_bytes",
    "memory.swappiness",
    "memory.oom_control",
    "memory.use_hierarchy",
    "cpu.shares",
    "cpu.cfs_quota_us",
    "cpu.cfs_period_us",
    "cpu.cfs_burst_us",
    "cpu.rt_runtime_us",
    "cpu.rt_period_us",
    "cpu.idle",
    "cpuset.cpus",
    "cpuset.mems",
    "cpuset.cpu_exclusive",
    "cpuset.memory_migrate",
    "pids.max",
    "blkio.weight",
    "blkio.bfq.weight",
    "blkio.leaf_weight",
    "blkio.throttle.read_bps_device",
    "blkio.throttle.write_bps_device",
    "blkio.throttle.read_iops_device",
    "blkio.throttle.write_iops_device",
    "devices.list",
    "freezer.state",
    "hugetlb.2MB.limit_in_bytes",
    "hugetlb.2MB.max",
    "hugetlb.2MB.rsvd.max",
    "hugetlb.1GB.max",
    "hugetlb.1GB.rsvd.max",
    "memory.max",
    "memory.high",
    "cgroup.freeze",
    "cgroup.type",
    "cgroup.max.depth",
    "cgroup.subtree_control",
];

/// The limits in the cgroups of a process, by hierarchy; and where the cgroups are.
pub(crate) fn limits(pid: u32, unified: bool) -> Value {
    let table = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mut told = Map::new();
    for line in table.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (names, path) = (fields.next().unwrap(), fields.next().unwrap());
        let name = if names.is_empty() { "unified" } else { names.trim_start_matches("name=") };
        if unified && name != "unified" {
            continue;
        }
        let folder = format!("/sys/fs/cgroup/{name}{path}");
        let values = LIMITS.iter().filter_map(|file| {
            let text = fs::read_to_string(format!("{folder}/{file}")).ok()?;
            let mut lines: Vec<&str> = text.lines().collect();
            // Of rules the order says nothing.
            lines.sort_unstable();
            Some(((*file).to_owned(), json!(lines)))
        });
        let mut values: Map<String, Value> = values.collect();
        values.insert("path".to_owned(), json!(path));
        told.insert(name.to_owned(), values.into());
    }
    told.into()
}

/// The lines that hooks have written, with the links of namespaces as words.
pub(crate) fn hooks(log: &Path, namespaces: &BTreeMap<String, &'static str>) -> Value {
    let text = fs::read_to_string(log).unwrap_or_default();
    let line = |line: &str| {
        let mut told: Value = serde_json::from_str(line).unwrap();
        for link in told["links"].as_array_mut().into_iter().flatten() {
            let kind = link.as_str().unwrap().split(':').next().unwrap();
            let owner = namespaces.get(link.as_str().unwrap()).unwrap_or(&"new");
            *link = json!(format!("{kind}: {owner}"));
        }
        told
    };
    text.lines().map(line).collect()
}

/// Everything below `top`: type, mode, owner, numbers of devices, targets of links.
pub(crate) fn tree(top: &Path) -> Value {
    let mut told = Map::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path())
        {
            let Ok(data) = fs::symlink_metadata(&path) else { continue };
            let kind = data.file_type();
            let mut words = vec![format!("{:06o} {}:{}", data.mode(), data.uid(), data.gid())];
            if kind.is_char_device() || kind.is_block_device() {
                words.push(format!("device {:x}", data.rdev()));
            }
            if let Ok(target) = fs::read_link(&path) {
                words.push(format!("-> {}", target.display()));
            }
            let name = path.strip_prefix(top).unwrap().to_string_lossy().into_owned();
            told.insert(name, words.join(" ").into());
            if data.is_dir() {
                folders.push(path);
            }
        }
    }
    told.into()
}

/// Mount points of the host that something was mounted on, and those that something is gone from.
pub(crate) struct MountPoints {
    pub(crate) new: Vec<String>,
    pub(crate) gone: Vec<String>,
}

/// What has become of a mount table.
pub(crate) fn mount_points(before: &str, after: &str) -> MountPoints {
    let less = |one: &str, other: &str| -> Vec<String> {
        let lines = one.lines().filter(|line| !other.lines().any(|one| one == *line));
        lines.map(|line| line.split(' ').nth(4).unwrap().to_owned()).collect()
    };
    // What somebody else unmounts and removes is gone from every namespace.
    let mut gone = less(before, after);
    gone.retain(|point| Path::new(point).exists());
    MountPoints { new: less(after, before), gone }
}

/// Where a setup's cgroup is, or the topmost folder that was made for it: at the top, below the cgroup of the runtime,
/// or beside that.
fn places(id: &str) -> impl Iterator<Item = PathBuf> {
    let table = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = table.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let own: BTreeSet<&Path> = own.flat_map(|path| Path::new(path).ancestors().take(2)).collect();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        for path in own.iter().copied().chain([Path::new("/")]) {
            found.insert(entry.path().join(path.strip_prefix("/").unwrap()).join(id));
        }
    }
    found.into_iter().filter(|path| path.exists())
}

/// The cgroups that are left of a container.
pub(crate) fn cgroups(id: &str) -> Value {
    let mut left: Vec<String> = places(id).flat_map(|top| tree_of(&top)).collect();
    left.sort();
    left.into()
}

fn tree_of(top: &Path) -> Vec<String> {
    let Value::Object(below) = tree(top) else { return Vec::new() };
    let folders =
        below.iter().filter(|(_, told)| told.as_str().is_some_and(|told| told.starts_with("04")));
    let below = folders.map(|(name, _)| top.join(name).to_string_lossy().into_owned());
    below.chain([top.to_string_lossy().into_owned()]).collect()
}

/// Removes them, so that the next one starts without.
pub(crate) fn remove_cgroups(id: &str) {
    for top in places(id) {
        let mut folders = tree_of(&top);
        folders.sort();
        folders.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
    }
}
