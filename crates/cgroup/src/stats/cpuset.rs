//! Processors and memory nodes (cgroup v1).

use serde::{Deserialize, Serialize};

use super::files::Files;
use super::is_default;
use crate::Error;

/// The files of v1's cpuset (cpuset(7)); switches are 0 or 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CpusetStats {
    /// Numbers of the processors.
    #[serde(skip_serializing_if = "is_default")]
    pub cpus: Vec<u16>,
    /// Whether no other cgroup has them.
    pub cpu_exclusive: u64,
    /// Numbers of the memory nodes.
    #[serde(skip_serializing_if = "is_default")]
    pub mems: Vec<u16>,
    /// Whether the kernel keeps to the nodes for its own use as well.
    pub mem_hardwall: u64,
    /// Whether no other cgroup has the nodes.
    pub mem_exclusive: u64,
    /// Whether memory moves when the nodes change.
    pub memory_migrate: u64,
    /// Whether pages of files are spread over the nodes.
    pub memory_spread_page: u64,
    /// Whether the kernel's objects are.
    pub memory_spread_slab: u64,
    /// How often memory had to be taken back directly.
    pub memory_pressure: u64,
    /// Whether load is balanced between the processors.
    pub sched_load_balance: u64,
    /// How far; -1 is the machine's own value.
    pub sched_relax_domain_level: i64,
}

pub(super) fn stats(files: &Files<'_>) -> Result<CpusetStats, Error> {
    let name = |name: &str| {
        Ok::<_, Error>(match files.text(&format!("cpuset.{name}"))? {
            Some(_) => format!("cpuset.{name}"),
            // A hierarchy that is mounted with `noprefix`.
            None => name.to_owned(),
        })
    };
    let count = |short: &str| files.count(&name(short)?);
    let level = name("sched_relax_domain_level")?;
    let level = files
        .text(&level)?
        .map_or(Ok(0), |text| text.trim_end().parse().map_err(|_| files.odd(&level, &text)))?;
    Ok(CpusetStats {
        cpus: list(files, &name("cpus")?)?,
        cpu_exclusive: count("cpu_exclusive")?,
        mems: list(files, &name("mems")?)?,
        mem_hardwall: count("mem_hardwall")?,
        mem_exclusive: count("mem_exclusive")?,
        memory_migrate: count("memory_migrate")?,
        memory_spread_page: count("memory_spread_page")?,
        memory_spread_slab: count("memory_spread_slab")?,
        memory_pressure: count("memory_pressure")?,
        sched_load_balance: count("sched_load_balance")?,
        sched_relax_domain_level: level,
    })
}

/// The numbers of a list such as `0-3,7`.
fn list(files: &Files<'_>, name: &str) -> Result<Vec<u16>, Error> {
    let text = files.text(name)?.unwrap_or_default();
    let mut numbers = Vec::new();
    for range in text.trim_end().split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.parse::<u16>().map_err(|_| files.odd(name, range));
        numbers.extend(number(first)?..=number(last)?);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::tests::over;

    #[test]
    fn lists_become_numbers() {
        let texts = [
            ("cpuset.cpus", "0-2,7\n"),
            ("cpuset.mems", "0\n"),
            ("cpuset.sched_load_balance", "1\n"),
            ("cpuset.sched_relax_domain_level", "-1\n"),
        ];
        let found = over(false, &texts, stats).unwrap();
        assert_eq!((found.cpus, found.mems), (vec![0, 1, 2, 7], vec![0]));
        assert_eq!((found.sched_load_balance, found.sched_relax_domain_level), (1, -1));
        let bare = over(false, &[("cpus", "3\n"), ("mems", "\n")], stats).unwrap();
        assert_eq!((bare.cpus, bare.mems), (vec![3], vec![]));
        assert!(over(false, &[("cpuset.cpus", "0-x\n")], stats).is_err());
    }
}
