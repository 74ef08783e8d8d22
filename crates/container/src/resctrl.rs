//! The resctrl file system, by which Intel's and other processors divide caches and memory bandwidth (the kernel's
//! `filesystems/resctrl.rst`).
//!
//! Each directory of it is a class of service: `schemata` says what the class may use, `tasks` who is in it, and
//! `mon_groups` has directories in which a part of the class is counted by itself.

mod group;
mod schemata;
mod stats;
mod update;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use coble_spec::{IntelRdt, Spec};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::host_mounts::resctrl_mount;
use crate::store::peek;

pub(crate) use group::Group;
pub use stats::{CacheInfo, IntelRdtStats, MemoryBandwidthInfo, Occupancy, Traffic};
pub(crate) use update::SchemataUpdate;

/// What the container `id` may use and uses of caches and memory bandwidth; `None` if it was made without
/// `linux.intelRdt`.
///
/// # Errors
/// There is no such container, or the files can't be read.
pub fn intel_rdt_stats(root: &Path, id: &str) -> Result<Option<IntelRdtStats>> {
    let (record, _) = peek(root, id)?;
    record.intel_rdt.as_ref().map(Group::stats).transpose()
}

/// A mounted resctrl file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Resctrl {
    /// Its mount point.
    root: PathBuf,
}

impl Resctrl {
    /// The host's, if the configuration asks for one.
    ///
    /// # Errors
    /// It is not mounted, or lacks what the configuration needs.
    pub(crate) fn wanted_by(spec: &Spec) -> Result<Option<Self>> {
        let Some(wanted) = spec.linux.as_ref().and_then(|linux| linux.intel_rdt.as_ref()) else {
            return Ok(None);
        };
        let found = Self::mounted()?.ok_or_else(|| {
            refused(
                "",
                "intelRdt is specified in config, but Intel RDT is not enabled: no resctrl file system is mounted",
            )
        })?;
        found.check(wanted)?;
        Ok(Some(found))
    }

    /// The host's, if it is mounted.
    fn mounted() -> Result<Option<Self>> {
        Ok(resctrl_mount()?.map(|root| Self { root }))
    }

    /// Whether the processor and the kernel have what the section asks for.
    fn check(&self, wanted: &IntelRdt) -> Result<()> {
        let lacks = |member: &str, feature: &str| {
            let words = format!(
                "intelRdt.{member} is specified in config, but Intel RDT/{feature} is not enabled"
            );
            Err(refused(&format!("/{member}"), &words))
        };
        if !wanted.l3_cache_schema.is_empty() && !self.has_cache_allocation() {
            return lacks("l3CacheSchema", "CAT");
        }
        if !wanted.mem_bw_schema.is_empty() && !self.has_bandwidth_allocation() {
            return lacks("memBwSchema", "MBA");
        }
        let monitors = [
            (wanted.enable_monitoring, "enableMonitoring"),
            (wanted.enable_cmt, "enableCMT"),
            (wanted.enable_mbm, "enableMBM"),
        ];
        match monitors.into_iter().find(|(is_wanted, _)| *is_wanted) {
            Some((_, member)) if !self.has("L3_MON") => lacks(member, "monitoring"),
            _ => Ok(()),
        }
    }

    /// A cache that is divided into code and data has an entry for each.
    fn has_cache_allocation(&self) -> bool {
        self.has("L3") || self.has("L3CODE")
    }

    fn has_bandwidth_allocation(&self) -> bool {
        self.has("MB")
    }

    fn has(&self, resource: &str) -> bool {
        self.root.join("info").join(resource).is_dir()
    }

    /// What the kernel says of a resource.
    fn info(&self, resource: &str, file: &str) -> Result<String> {
        read(&self.root.join("info").join(resource).join(file))
    }

    /// The error of an action in the file system, with the kernel's own words if it has any.
    fn failed(&self, action: &str, path: &Path, error: io::Error) -> Error {
        let error = Error::at(action, path, error);
        let words = fs::read_to_string(self.root.join("info/last_cmd_status")).unwrap_or_default();
        match words.trim() {
            "" | "ok" => error,
            words => Error::new(format!("{error}, last_cmd_status: {words}")),
        }
    }

    fn write(&self, path: &Path, text: &str) -> Result<()> {
        let action = format!("write {:?} to", text.trim_end());
        fs::write(path, text).map_err(|error| self.failed(&action, path, error))
    }
}

/// A file without the blanks around its text.
fn read(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).map_err(|error| Error::at("read", path, error))?;
    Ok(text.trim().to_owned())
}

fn refused(member: &str, words: &str) -> Error {
    let pointer = format!("/linux/intelRdt{member}");
    let words = format!("config.json: {pointer}: {words}");
    Error::config(pointer, words)
}

#[cfg(test)]
mod tests;
