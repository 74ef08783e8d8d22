//! What a cgroup uses, in the form in which runc's `events` prints it: serialized, the names, the order and the
//! values that are left out are the same.

mod block_io;
mod cpu;
mod cpuset;
mod files;
mod hugetlb;
mod memory;
mod pids;
mod pressure;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::place::Place;
use crate::{Cgroup, Error, file};

pub use block_io::{BlkioEntry, BlkioStats};
pub use cpu::{CpuStats, CpuUsage, Throttling};
pub use cpuset::CpusetStats;
use files::Files;
pub use hugetlb::HugetlbStats;
pub use memory::{MemoryEntry, MemoryStats};
pub use pids::PidsStats;
pub use pressure::{Pressure, PressureLine};

/// What a cgroup uses, with all below it. What nothing here can count is 0 or absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Processor time.
    pub cpu: CpuStats,
    /// Processors and memory nodes (cgroup v1).
    pub cpuset: CpusetStats,
    /// Memory.
    pub memory: MemoryStats,
    /// Tasks.
    pub pids: PidsStats,
    /// Block devices.
    pub blkio: BlkioStats,
    /// Huge pages by their size, such as `2MB`.
    pub hugetlb: BTreeMap<String, HugetlbStats>,
}

impl Cgroup {
    /// What the cgroup uses now. In a hybrid layout each number comes from the hierarchy that has its controller, and
    /// pressure from v2.
    ///
    /// # Errors
    /// [`Error::Os`]; [`Error::Unreadable`] for a file that reads like none that is known.
    pub fn stats(&self) -> Result<Stats, Error> {
        let pressure = |name: &str| self.with(self.unified(), |files| pressure::of(files, name));
        let mut stats = Stats {
            cpu: CpuStats {
                usage: self.with(self.best("cpuacct"), cpu::usage)?,
                throttling: self.with(self.best("cpu"), cpu::throttling)?,
                psi: pressure("cpu")?,
            },
            cpuset: self.with(self.of("cpuset"), cpuset::stats)?,
            memory: self.with(self.best("memory"), memory::stats)?,
            pids: self.with(self.best("pids"), pids::stats)?,
            blkio: self.with(self.best("blkio"), block_io::stats)?,
            hugetlb: self.with(self.best("hugetlb"), hugetlb::stats)?,
        };
        stats.memory.psi = pressure("memory")?;
        stats.blkio.psi = pressure("io")?;
        Ok(stats)
    }

    /// The hierarchy that has a controller of v1, else that of v2.
    fn best(&self, controller: &str) -> Option<&Place> {
        self.of(controller).or_else(|| self.unified())
    }

    fn with<T: Default>(
        &self,
        place: Option<&Place>,
        stats: impl FnOnce(&Files<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(place) = place else { return Ok(T::default()) };
        let read = |name: &str| file::read(place.dir(), name);
        stats(&Files { dir: place.dir(), is_v2: place.is_v2(), read: &read })
    }
}

/// Whether a value is left out where it says nothing.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use coble_sys::rustix::io::Errno;

    use super::*;

    /// Runs `stats` over files that are given as pairs of name and text.
    pub(super) fn over<T>(
        is_v2: bool,
        texts: &[(&str, &str)],
        stats: impl FnOnce(&Files<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let read = |name: &str| {
            let found = texts.iter().find(|(other, _)| *other == name);
            found
                .map(|(_, text)| (*text).to_owned())
                .ok_or_else(|| Error::os("read", format!("/cg/{name}"), Errno::NOENT))
        };
        stats(&Files { dir: "/cg", is_v2, read: &read })
    }

    #[test]
    fn nothing_counted_is_what_runc_prints() {
        assert_eq!(
            serde_json::to_string(&Stats::default()).unwrap(),
            r#"{"cpu":{},"cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"#
                .to_owned()
                + r#""memory_migrate":0,"memory_spread_page":0,"memory_spread_slab":0,"#
                + r#""memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0},"#
                + r#""memory":{},"pids":{},"blkio":{},"hugetlb":{}}"#
        );
    }

    #[test]
    fn what_is_printed_can_be_read() {
        let text = r#"{"cpu":{"usage":{"total":5,"kernel":2,"user":3}},"pids":{"current":1},"hugetlb":{"2MB":{"failcnt":0}}}"#;
        let stats: Stats = serde_json::from_str(text).unwrap();
        assert_eq!((stats.cpu.usage.total, stats.pids.current, stats.hugetlb.len()), (5, 1, 1));
        let again = serde_json::from_str(&serde_json::to_string(&stats).unwrap()).unwrap();
        assert_eq!(stats, again);
    }
}
