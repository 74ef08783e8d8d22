//! Memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::files::Files;
use super::{Pressure, is_default};
use crate::Error;

/// Memory in bytes. Without a limit the limit is what v1 says, or the greatest number (v2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryStats {
    /// Of files.
    #[serde(skip_serializing_if = "is_default")]
    pub cache: u64,
    /// All of it.
    #[serde(skip_serializing_if = "is_default")]
    pub usage: MemoryEntry,
    /// With swap.
    #[serde(skip_serializing_if = "is_default")]
    pub swap: MemoryEntry,
    /// Of the kernel (cgroup v1).
    #[serde(skip_serializing_if = "is_default")]
    pub kernel: MemoryEntry,
    /// Of TCP's buffers (cgroup v1).
    #[serde(rename = "kernelTCP", skip_serializing_if = "is_default")]
    pub kernel_tcp: MemoryEntry,
    /// The lines of memory.stat.
    #[serde(skip_serializing_if = "is_default")]
    pub raw: BTreeMap<String, u64>,
    /// Time lost for want of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// One kind of memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryEntry {
    /// The most that may be used.
    pub limit: u64,
    /// What is used.
    #[serde(skip_serializing_if = "is_default")]
    pub usage: u64,
    /// The most that was used at a time; v2: Linux 5.19, and not with swap.
    #[serde(skip_serializing_if = "is_default")]
    pub max: u64,
    /// How often the limit was hit (cgroup v1).
    pub failcnt: u64,
}

pub(super) fn stats(files: &Files<'_>) -> Result<MemoryStats, Error> {
    let raw: BTreeMap<_, _> = files.pairs("memory.stat")?.into_iter().collect();
    let cached = |name: &str| raw.get(name).copied().unwrap_or_default();
    if !files.is_v2 {
        return Ok(MemoryStats {
            cache: cached("cache"),
            usage: v1(files, "memory")?,
            swap: v1(files, "memory.memsw")?,
            kernel: v1(files, "memory.kmem")?,
            kernel_tcp: v1(files, "memory.kmem.tcp")?,
            raw,
            psi: None,
        });
    }
    let usage = v2(files, "memory")?;
    let mut swap = v2(files, "memory.swap")?;
    // v2's swap is without memory.
    swap.usage = swap.usage.saturating_add(usage.usage);
    swap.limit = swap.limit.saturating_add(usage.limit);
    swap.max = 0;
    Ok(MemoryStats { cache: cached("file"), usage, swap, raw, ..MemoryStats::default() })
}

fn v1(files: &Files<'_>, name: &str) -> Result<MemoryEntry, Error> {
    Ok(MemoryEntry {
        limit: files.count(&format!("{name}.limit_in_bytes"))?,
        usage: files.count(&format!("{name}.usage_in_bytes"))?,
        max: files.count(&format!("{name}.max_usage_in_bytes"))?,
        failcnt: files.count(&format!("{name}.failcnt"))?,
    })
}

fn v2(files: &Files<'_>, name: &str) -> Result<MemoryEntry, Error> {
    Ok(MemoryEntry {
        limit: files.count(&format!("{name}.max"))?,
        usage: files.count(&format!("{name}.current"))?,
        max: files.count(&format!("{name}.peak"))?,
        failcnt: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::tests::over;

    fn entry(limit: u64, usage: u64, max: u64, failcnt: u64) -> MemoryEntry {
        MemoryEntry { limit, usage, max, failcnt }
    }

    #[test]
    fn v1_has_four_kinds() {
        let texts = [
            ("memory.stat", "cache 7\nrss 8\n"),
            ("memory.limit_in_bytes", "100\n"),
            ("memory.usage_in_bytes", "50\n"),
            ("memory.max_usage_in_bytes", "60\n"),
            ("memory.failcnt", "2\n"),
            ("memory.memsw.limit_in_bytes", "9223372036854771712\n"),
            ("memory.memsw.usage_in_bytes", "51\n"),
            ("memory.kmem.usage_in_bytes", "5\n"),
            ("memory.kmem.tcp.limit_in_bytes", "9\n"),
        ];
        let found = over(false, &texts, stats).unwrap();
        assert_eq!((found.cache, found.raw["rss"]), (7, 8));
        assert_eq!(found.usage, entry(100, 50, 60, 2));
        assert_eq!(found.swap, entry(9_223_372_036_854_771_712, 51, 0, 0));
        assert_eq!((found.kernel, found.kernel_tcp), (entry(0, 5, 0, 0), entry(9, 0, 0, 0)));
    }

    #[test]
    fn v2_adds_memory_to_swap() {
        let texts = [
            ("memory.stat", "anon 3\nfile 7\n"),
            ("memory.max", "100\n"),
            ("memory.current", "50\n"),
            ("memory.peak", "60\n"),
            ("memory.swap.max", "30\n"),
            ("memory.swap.current", "4\n"),
            ("memory.swap.peak", "5\n"),
        ];
        let found = over(true, &texts, stats).unwrap();
        assert_eq!(found.cache, 7);
        assert_eq!((found.usage, found.swap), (entry(100, 50, 60, 0), entry(130, 54, 0, 0)));
        let free = [("memory.max", "max\n"), ("memory.swap.max", "30\n")];
        let found = over(true, &free, stats).unwrap();
        assert_eq!((found.usage.limit, found.swap.limit), (u64::MAX, u64::MAX));
        assert_eq!(over(true, &[], stats), Ok(MemoryStats::default()));
    }
}
