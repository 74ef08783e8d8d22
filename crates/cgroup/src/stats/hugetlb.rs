//! Huge pages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::files::Files;
use super::is_default;
use crate::Error;

/// Where the kernel tells which sizes it has, as `hugepages-2048kB`.
const SIZES: &str = "/sys/kernel/mm/hugepages";

/// Huge pages of one size, in bytes: those that are reserved, where the kernel counts them (Linux 5.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HugetlbStats {
    /// What is used.
    #[serde(skip_serializing_if = "is_default")]
    pub usage: u64,
    /// The most that was used at a time (cgroup v1).
    #[serde(skip_serializing_if = "is_default")]
    pub max: u64,
    /// How often the limit was hit.
    pub failcnt: u64,
}

pub(super) fn stats(files: &Files<'_>) -> Result<BTreeMap<String, HugetlbStats>, Error> {
    let mut stats = BTreeMap::new();
    for size in sizes() {
        stats.extend(of(files, &size)?.map(|found| (size, found)));
    }
    Ok(stats)
}

/// The pages of one size; none if nothing counts them.
fn of(files: &Files<'_>, size: &str) -> Result<Option<HugetlbStats>, Error> {
    let plain = format!("hugetlb.{size}");
    let usage = if files.is_v2 { "current" } else { "usage_in_bytes" };
    for name in [format!("{plain}.rsvd"), plain.clone()] {
        let Some(usage) = files.number(&format!("{name}.{usage}"))? else { continue };
        if !files.is_v2 {
            let max = files.count(&format!("{name}.max_usage_in_bytes"))?;
            let failcnt = files.count(&format!("{name}.failcnt"))?;
            return Ok(Some(HugetlbStats { usage, max, failcnt }));
        }
        let events = files.pairs(&format!("{plain}.events"))?;
        let failcnt = events.iter().find(|(key, _)| key == "max").map_or(0, |(_, count)| *count);
        return Ok(Some(HugetlbStats { usage, max: 0, failcnt }));
    }
    Ok(None)
}

/// Such as `2MB`, as they stand in the files' names; none on a machine without huge pages.
fn sizes() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(SIZES) else { return Vec::new() };
    entries.flatten().filter_map(|entry| size(entry.file_name().to_str()?)).collect()
}

/// `hugepages-2048kB` as `2MB`.
fn size(name: &str) -> Option<String> {
    let kib: u64 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    Some(match kib {
        kib if kib % (1 << 20) == 0 => format!("{}GB", kib >> 20),
        kib if kib % (1 << 10) == 0 => format!("{}MB", kib >> 10),
        kib => format!("{kib}KB"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::tests::over;

    #[test]
    fn sizes_are_named_as_in_the_files() {
        for (name, expected) in [
            ("hugepages-64kB", "64KB"),
            ("hugepages-2048kB", "2MB"),
            ("hugepages-1048576kB", "1GB"),
            ("hugepages-32768kB", "32MB"),
        ] {
            assert_eq!(size(name).as_deref(), Some(expected));
        }
        assert_eq!(size("x"), None);
    }

    #[test]
    fn reserved_pages_go_before_used_ones() {
        let v1 = [
            ("hugetlb.2MB.rsvd.usage_in_bytes", "4\n"),
            ("hugetlb.2MB.rsvd.max_usage_in_bytes", "6\n"),
            ("hugetlb.2MB.rsvd.failcnt", "1\n"),
            ("hugetlb.2MB.usage_in_bytes", "2\n"),
            ("hugetlb.1GB.usage_in_bytes", "3\n"),
        ];
        let on = |size| over(false, &v1, |files| of(files, size)).unwrap();
        assert_eq!(on("2MB"), Some(HugetlbStats { usage: 4, max: 6, failcnt: 1 }));
        assert_eq!(on("1GB"), Some(HugetlbStats { usage: 3, max: 0, failcnt: 0 }));
        assert_eq!(on("64KB"), None);
        let v2 = [("hugetlb.2MB.rsvd.current", "4\n"), ("hugetlb.2MB.events", "max 5\n")];
        let found = over(true, &v2, |files| of(files, "2MB")).unwrap();
        assert_eq!(found, Some(HugetlbStats { usage: 4, max: 0, failcnt: 5 }));
    }
}
