//! `state.json` as runc 1.0 to 1.5 writes it: what coble needs of it.
//!
//! runc's own types are its format; no text defines it. Up to 1.3 every field is there, `null`, zero or empty if it
//! says nothing; from 1.4 on such a field is left out. Fields that came later: `time_offsets`, `scheduler`,
//! `personality`, `io_priority` (1.2), `exec_cpu_affinity` (1.3), `memory_policy`, `intel_rdt_mon_path` (1.4).

use std::collections::BTreeMap;

use coble_spec::{IoPriority, Scheduler};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// What tells the format from coble's own.
#[derive(Debug, Deserialize)]
pub(super) struct Mark {
    pub(super) init_process_pid: Option<IgnoredAny>,
}

/// The whole file.
#[derive(Debug, Deserialize)]
pub(super) struct State {
    pub(super) id: String,
    /// In the pid namespace of the runc that wrote it.
    pub(super) init_process_pid: i32,
    /// Clock ticks from the machine's start, field 22 of proc_pid_stat(5).
    pub(super) init_process_start: u64,
    /// RFC 3339 with nanoseconds, in UTC.
    pub(super) created: String,
    pub(super) config: Config,
    /// The cgroup's directory by controller, with its mount point; an empty name is v2.
    pub(super) cgroup_paths: Option<BTreeMap<String, String>>,
    /// The directory of its class in resctrl. runc 1.1 writes a path for every container where there is a resctrl.
    pub(super) intel_rdt_path: Option<String>,
    /// That of its monitoring group.
    pub(super) intel_rdt_mon_path: Option<String>,
}

/// `config`: the configuration as runc has understood it.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    /// Absolute.
    pub(super) rootfs: String,
    pub(super) namespaces: Option<Vec<Namespace>>,
    pub(super) capabilities: Option<Capabilities>,
    pub(super) apparmor_profile: Option<String>,
    pub(super) process_label: Option<String>,
    pub(super) mount_label: Option<String>,
    pub(super) rlimits: Option<Vec<Rlimit>>,
    pub(super) oom_score_adj: Option<i32>,
    pub(super) umask: Option<u32>,
    #[serde(default)]
    pub(super) no_new_privileges: bool,
    pub(super) seccomp: Option<Filter>,
    #[serde(rename = "Hooks")]
    pub(super) hooks: Option<Hooks>,
    /// `ociVersion` of the bundle.
    pub(super) version: String,
    /// `NAME=VALUE`: the annotations, and at last `bundle=PATH`.
    pub(super) labels: Option<Vec<String>>,
    #[serde(default)]
    pub(super) no_new_keyring: bool,
    pub(super) intel_rdt: Option<IntelRdt>,
    pub(super) memory_policy: Option<MemoryPolicy>,
    pub(super) cgroups: Option<Cgroups>,
    #[serde(default)]
    pub(super) rootless_cgroups: bool,
    pub(super) scheduler: Option<Scheduler>,
    pub(super) personality: Option<Personality>,
    pub(super) io_priority: Option<IoPriority>,
    pub(super) exec_cpu_affinity: Option<CpuAffinity>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Namespace {
    /// Such as `NEWPID`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Empty for a new one.
    #[serde(default)]
    pub(super) path: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Capabilities {
    pub(super) bounding: Option<Vec<String>>,
    pub(super) effective: Option<Vec<String>>,
    pub(super) inheritable: Option<Vec<String>>,
    pub(super) permitted: Option<Vec<String>>,
    pub(super) ambient: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Rlimit {
    /// The number that getrlimit(2) knows it by.
    #[serde(rename = "type")]
    pub(super) kind: usize,
    pub(super) hard: u64,
    pub(super) soft: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Hooks {
    pub(super) poststop: Option<Vec<Hook>>,
}

/// Its `dir` is in no use.
#[derive(Debug, Deserialize)]
pub(super) struct Hook {
    pub(super) path: String,
    pub(super) args: Option<Vec<String>>,
    pub(super) env: Option<Vec<String>>,
    /// Nanoseconds.
    pub(super) timeout: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct IntelRdt {
    /// Empty for a class of the container's own.
    #[serde(rename = "closID", default)]
    pub(super) clos_id: String,
}

/// As set_mempolicy(2) takes it.
#[derive(Debug, Deserialize)]
pub(super) struct MemoryPolicy {
    #[serde(default)]
    pub(super) mode: usize,
    #[serde(default)]
    pub(super) flags: u32,
    /// Nodes as [`CpuAffinity`] has processors.
    pub(super) nodes: Option<Vec<u64>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Cgroups {
    /// The limit of memory and swap together, in bytes or -1; 0 for none.
    pub(super) memory_swap: Option<i64>,
    /// Whether it is the cgroup of a unit of systemd's.
    #[serde(rename = "Systemd", default)]
    pub(super) systemd: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Personality {
    /// As personality(2) takes it.
    pub(super) domain: u32,
}

/// Processors as 64 to a word, the first one in the lowest bit.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CpuAffinity {
    pub(super) initial: Option<Vec<u64>>,
    pub(super) r#final: Option<Vec<u64>>,
}

/// `config.seccomp`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Filter {
    pub(super) default_action: usize,
    pub(super) default_errno_ret: Option<u32>,
    pub(super) architectures: Option<Vec<String>>,
    pub(super) flags: Option<Vec<String>>,
    pub(super) syscalls: Option<Vec<Calls>>,
    #[serde(default)]
    pub(super) listener_path: String,
    #[serde(default)]
    pub(super) listener_metadata: String,
}

/// One of its rules.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Calls {
    pub(super) name: String,
    pub(super) action: usize,
    #[serde(rename = "errnoRet")]
    pub(super) errno_ret: Option<u32>,
    pub(super) args: Option<Vec<Argument>>,
}

/// One of a rule's conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Argument {
    pub(super) index: u32,
    pub(super) value: u64,
    #[serde(default)]
    pub(super) value_two: u64,
    pub(super) op: usize,
}
