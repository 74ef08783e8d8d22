//! What a runtime can do (features.md, features-linux.md): the answer to those who write configurations.
//!
//! An absent member says "unknown", never "no": `None` is not `Some(false)`, and not an empty list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The whole answer. It says what is compiled in, not what the host has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    /// The oldest version of the runtime specification whose configurations are understood.
    pub oci_version_min: String,
    /// The newest.
    pub oci_version_max: String,
    /// Kinds of hooks, by their names in `config.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Vec<String>>,
    /// Options of mounts, without those that only a file system knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_options: Option<Vec<String>>,
    /// What is Linux's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub linux: Option<Linux>,
    /// Free words about the runtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Annotations of `config.json` that change what the runtime does; with a dot at its end, all that begin so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub potentially_unsafe_config_annotations: Option<Vec<String>>,
}

/// `linux` (features-linux.md).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Linux {
    /// Kinds of namespaces, by their names in `config.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
    /// Names of capabilities, with `CAP_`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
    /// cgroups(7).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<Cgroup>,
    /// System call filters, seccomp(2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Seccomp>,
    /// `process.apparmorProfile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparmor: Option<Enabled>,
    /// `process.selinuxLabel` and `linux.mountLabel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selinux: Option<Enabled>,
    /// `linux.intelRdt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intel_rdt: Option<IntelRdt>,
    /// `linux.memoryPolicy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicy>,
    /// What mounts can beyond their options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_extensions: Option<MountExtensions>,
    /// `linux.netDevices`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net_devices: Option<Enabled>,
}

/// `linux.cgroup`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cgroup {
    /// Version 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v1: Option<bool>,
    /// Version 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v2: Option<bool>,
    /// cgroups made by the system's systemd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub systemd: Option<bool>,
    /// cgroups made by a user's systemd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub systemd_user: Option<bool>,
    /// `linux.resources.rdma`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rdma: Option<bool>,
}

/// `linux.seccomp`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seccomp {
    /// Whether there are filters at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Actions, `SCMP_ACT_*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<String>>,
    /// Comparisons, `SCMP_CMP_*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operators: Option<Vec<String>>,
    /// Architectures, `SCMP_ARCH_*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archs: Option<Vec<String>>,
    /// Flags that are understood, `SECCOMP_FILTER_FLAG_*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_flags: Option<Vec<String>>,
    /// Those of them that the host's kernel has, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supported_flags: Option<Vec<String>>,
}

/// A section about which there is one thing to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enabled {
    /// Whether it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// `linux.intelRdt`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntelRdt {
    /// Whether it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether its member `schemata` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schemata: Option<bool>,
    /// Whether its member `enableMonitoring` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<bool>,
}

/// `linux.memoryPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryPolicy {
    /// Modes, `MPOL_*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modes: Option<Vec<String>>,
    /// Their flags, `MPOL_F_*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
}

/// `linux.mountExtensions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountExtensions {
    /// Id-mapped mounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idmap: Option<Enabled>,
}
