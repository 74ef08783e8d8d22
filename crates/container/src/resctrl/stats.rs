//! What a container's class uses, under the names of runc's `events`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Group, Resctrl, read};
use crate::error::{Error, Result};

/// Limits and use of a container's class of service; what the processor doesn't have is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IntelRdtStats {
    /// What the third level cache can be divided into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l3_cache_info: Option<CacheInfo>,
    /// The cache's line of the default class.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub l3_cache_schema_root: String,
    /// The cache's line of the container's class.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub l3_cache_schema: String,
    /// What memory bandwidth can be divided into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_bw_info: Option<MemoryBandwidthInfo>,
    /// The bandwidth's line of the default class.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mem_bw_schema_root: String,
    /// The bandwidth's line of the container's class.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mem_bw_schema: String,
    /// All lines of the container's class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schemata: Vec<String>,
    /// Memory traffic for each cache, of the container's monitoring group, or of its class if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mbm_stats: Option<Vec<Traffic>>,
    /// Occupancy of each cache, in the same way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmt_stats: Option<Vec<Occupancy>>,
}

/// `info/L3`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CacheInfo {
    /// All ways of the cache, hexadecimal.
    pub cbm_mask: String,
    /// The fewest ways that a class may have.
    pub min_cbm_bits: u64,
    /// How many classes there can be.
    pub num_closids: u64,
}

/// `info/MB`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryBandwidthInfo {
    /// Per cent in which bandwidth is given.
    pub bandwidth_gran: u64,
    /// 1 if the delay grows in proportion to the limit.
    pub delay_linear: u64,
    /// The lowest limit, per cent.
    pub min_bandwidth: u64,
    /// How many classes there can be.
    pub num_closids: u64,
}

/// Memory traffic through one cache, in bytes since the group was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// All of it.
    pub mbm_total_bytes: u64,
    /// That to memory of the same node.
    pub mbm_local_bytes: u64,
}

/// Use of one cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Occupancy {
    /// Bytes.
    pub llc_occupancy: u64,
}

impl Group {
    /// What the class may use and uses.
    ///
    /// # Errors
    /// The files can't be read, or a counter has no value at the moment.
    pub(crate) fn stats(&self) -> Result<IntelRdtStats> {
        let resctrl = &self.resctrl;
        let default = read(&resctrl.root.join("schemata"))?;
        let own = read(&self.directory().join("schemata"))?;
        let mut stats = IntelRdtStats {
            schemata: own.lines().map(|line| line.trim().to_owned()).collect(),
            ..IntelRdtStats::default()
        };
        if resctrl.has("L3") {
            stats.l3_cache_info = Some(cache_info(resctrl)?);
            stats.l3_cache_schema_root = line_of(&default, "L3");
            stats.l3_cache_schema = line_of(&own, "L3");
        }
        if resctrl.has("MB") {
            stats.mem_bw_info = Some(bandwidth_info(resctrl)?);
            stats.mem_bw_schema_root = line_of(&default, "MB");
            stats.mem_bw_schema = line_of(&own, "MB");
        }
        if resctrl.has("L3_MON") {
            self.count(&mut stats)?;
        }
        Ok(stats)
    }

    fn count(&self, stats: &mut IntelRdtStats) -> Result<()> {
        let features = self.resctrl.info("L3_MON", "mon_features")?;
        let has = |name| features.lines().any(|line| line == name);
        let counted =
            |cache: &PathBuf, name| if has(name) { number(&cache.join(name)) } else { Ok(0) };
        let directory = self.monitor_directory().unwrap_or_else(|| self.directory());
        let caches = caches(&directory.join("mon_data"))?;
        if has("mbm_total_bytes") || has("mbm_local_bytes") {
            let traffic = caches.iter().map(|cache| {
                Ok(Traffic {
                    mbm_total_bytes: counted(cache, "mbm_total_bytes")?,
                    mbm_local_bytes: counted(cache, "mbm_local_bytes")?,
                })
            });
            stats.mbm_stats = Some(traffic.collect::<Result<_>>()?);
        }
        if has("llc_occupancy") {
            let occupancy = caches
                .iter()
                .map(|cache| Ok(Occupancy { llc_occupancy: counted(cache, "llc_occupancy")? }));
            stats.cmt_stats = Some(occupancy.collect::<Result<_>>()?);
        }
        Ok(())
    }
}

fn cache_info(resctrl: &Resctrl) -> Result<CacheInfo> {
    Ok(CacheInfo {
        cbm_mask: resctrl.info("L3", "cbm_mask")?,
        min_cbm_bits: resctrl.number("L3", "min_cbm_bits")?,
        num_closids: resctrl.number("L3", "num_closids")?,
    })
}

fn bandwidth_info(resctrl: &Resctrl) -> Result<MemoryBandwidthInfo> {
    Ok(MemoryBandwidthInfo {
        bandwidth_gran: resctrl.number("MB", "bandwidth_gran")?,
        delay_linear: resctrl.number("MB", "delay_linear")?,
        min_bandwidth: resctrl.number("MB", "min_bandwidth")?,
        num_closids: resctrl.number("MB", "num_closids")?,
    })
}

impl Resctrl {
    fn number(&self, resource: &str, file: &str) -> Result<u64> {
        number(&self.root.join("info").join(resource).join(file))
    }
}

/// The line of a resource, without the blanks before it; empty if there is none.
fn line_of(schemata: &str, resource: &str) -> String {
    let name = |line: &&str| line.split_once(':').is_some_and(|(name, _)| name == resource);
    schemata.lines().map(str::trim).find(name).unwrap_or_default().to_owned()
}

/// The directories of `mon_data`, one for each cache, sorted.
fn caches(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::at("list", directory, error);
    let mut caches = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // Those of other resources (`mon_PERF_PKG_00`) have no such counters.
        let is_cache =
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"mon_L3_"));
        if is_cache {
            caches.push(path);
        }
    }
    caches.sort();
    Ok(caches)
}

fn number(path: &Path) -> Result<u64> {
    let text = read(path)?;
    text.parse().map_err(|_| {
        Error::new(format!("unable to parse {text:?} as a uint from file {:?}", path.display()))
    })
}
