//! What is recorded of a container, and what is told of it.

use std::collections::BTreeMap;
use std::fmt;

use coble_cgroup::Record as CgroupRecord;
use coble_spec::{DeviceRule, Hooks, MemoryPolicy, Namespace, NamespaceKind, Personality, Process};
use serde::{Deserialize, Serialize};

use crate::init::Init;
use crate::resctrl::Group;
use crate::runc::Runc;

/// Where in its life a container is (runtime.md, "State"); `paused` is every runtime's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Being made.
    Creating,
    /// Made; the program has not run.
    Created,
    /// The program runs.
    Running,
    /// The program runs, but its cgroup is frozen.
    Paused,
    /// The program has ended.
    Stopped,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}

/// A container's state as `state` prints it (runtime.md, "State"), with what runc adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Version of the runtime specification.
    pub oci_version: String,
    /// The container's name.
    pub id: String,
    /// Its first process, in the caller's pid namespace; 0 if it has ended.
    pub pid: i32,
    /// Where in its life it is.
    pub status: Status,
    /// Absolute path of its bundle.
    pub bundle: String,
    /// Absolute path of its root file system.
    pub rootfs: String,
    /// When it was made, RFC 3339 in UTC.
    pub created: String,
    /// The annotations of its configuration.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Name of the user who made it, or the number of one without a name.
    pub owner: String,
}

/// What a user namespace says of setgroups(2), user_namespaces(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Setgroups {
    Denied,
    /// Nobody calls it: the annotation `run.oci.keep_original_groups` says that the caller's groups stay.
    Kept,
    #[default]
    Allowed,
    /// Somebody else has made it.
    Unknown,
}

impl Setgroups {
    /// Whether a process in the namespace may be unable to drop groups that it has from elsewhere, and is to.
    pub(crate) fn may_be_denied(self) -> bool {
        matches!(self, Self::Denied | Self::Unknown)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands it over so
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// `state.json`: what commands need of a container that another process made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) oci_version: String,
    pub(crate) id: String,
    pub(crate) bundle: String,
    pub(crate) rootfs: String,
    pub(crate) created: String,
    pub(crate) owner: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) init: Init,
    pub(crate) cgroup: CgroupRecord,
    /// What the cgroup, which was there before, had counted of kills for want of memory.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) former_oom_kills: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) intel_rdt: Option<Group>,
    pub(crate) namespaces: Vec<Namespace>,
    /// The limit of memory and swap together, in bytes or -1, if there is one: cgroup v2 can't tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory_swap: Option<i64>,
    /// The device rules of the last update that had others than those before it; empty while they change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device_rules: Option<Vec<DeviceRule>>,
    /// What its user namespace says of setgroups(2).
    pub(crate) setgroups: Setgroups,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) personality: Option<Personality>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_policy: Option<MemoryPolicy>,
    /// The SELinux context of its new file systems.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) mount_label: String,
    /// Whether processes run under the filter that is in the container's directory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_filtered: bool,
    /// Whether processes join the container's session keyring.
    pub(crate) has_keyring: bool,
    /// What exec'ed processes are like unless they say otherwise.
    pub(crate) process: Process,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hooks: Option<Hooks>,
    /// Where runc has made the container, and written another `state.json`.
    #[serde(skip)]
    pub(crate) runc: Option<Runc>,
}

impl Record {
    /// Whether the container has a namespace of this kind that isn't just the caller's, new or joined.
    pub(crate) fn has(&self, kind: NamespaceKind) -> bool {
        self.namespaces.iter().any(|own| own.kind == kind)
    }
}
