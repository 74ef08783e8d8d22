//! A container's cgroup on this machine: in the hierarchies of cgroup v1 that have its controllers, or in v2 alone.

use std::fs;
use std::path::{Path, PathBuf};

use crate::skip::skip;

const TOP: &str = "/sys/fs/cgroup";

/// The directories of one cgroup.
#[derive(Debug)]
pub struct HostCgroup {
    /// Whether they are one: v2 has all controllers.
    pub is_v2: bool,
    path: String,
}

impl HostCgroup {
    /// The cgroup `path` below every mount point; `None`, reported as skipped, where one of the controllers, by their
    /// names in v1, is missing.
    #[must_use]
    pub fn with(controllers: &[&str], path: &str) -> Option<Self> {
        let enabled = fs::read_to_string(Path::new(TOP).join("cgroup.controllers"));
        let is_v2 = enabled.is_ok();
        let enabled = enabled.unwrap_or_default();
        let has = |name: &str| match is_v2 {
            true => enabled.split_whitespace().any(|one| one == name_in_v2(name)),
            false => Path::new(TOP).join(name).join("tasks").exists(),
        };
        if let Some(missing) = controllers.iter().find(|name| !has(name)) {
            skip(&format!(
                "the cgroup controller {missing} is in no hierarchy that is mounted here"
            ));
            return None;
        }
        Some(Self { is_v2, path: path.trim_start_matches('/').to_owned() })
    }

    /// The directory in the hierarchy of a controller.
    #[must_use]
    pub fn dir(&self, controller: &str) -> PathBuf {
        self.mount_point(controller).join(&self.path)
    }

    /// Where that hierarchy is mounted.
    #[must_use]
    pub fn mount_point(&self, controller: &str) -> PathBuf {
        let top = Path::new(TOP);
        if self.is_v2 { top.to_owned() } else { top.join(controller) }
    }

    /// The text of a file, without the line end.
    ///
    /// # Panics
    /// When it can't be read.
    #[track_caller]
    #[must_use]
    pub fn read(&self, controller: &str, file: &str) -> String {
        let path = self.dir(controller).join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        text.trim_end().to_owned()
    }

    /// With v1: whether the kernel has counted no byte of block devices, though there were some. Then it limits no rate
    /// either: Linux 6.1 with a virtual disk is such a case.
    ///
    /// # Panics
    /// When it can't be read.
    #[must_use]
    pub fn counts_nothing(&self) -> bool {
        self.read("blkio", "blkio.throttle.io_service_bytes").ends_with("Total 0")
    }

    /// What there is of both: the first for v1, the second for v2.
    pub fn pick<T>(&self, v1: T, v2: T) -> T {
        if self.is_v2 { v2 } else { v1 }
    }
}

/// Processor time is counted without a controller; that of block devices has another name.
fn name_in_v2(name: &str) -> &str {
    match name {
        "cpuacct" => "cpu",
        "blkio" => "io",
        other => other,
    }
}
