//! `linux.seccomp` (config-linux.md, "Seccomp").

use serde::{Deserialize, Serialize};

use crate::nullable;

/// A filter of system calls, seccomp(2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seccomp {
    /// What becomes of calls that nothing else is said about, `SCMP_ACT_*`. It is required; empty if it is missing.
    #[serde(default, deserialize_with = "nullable")]
    pub default_action: String,
    /// The error number of the default action, where that takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// Architectures whose calls are let through the filter besides the kernel's own, `SCMP_ARCH_*`.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
    /// Flags for seccomp(2), `SECCOMP_FILTER_FLAG_*`; absent is not the same as none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    /// The socket of the agent that answers notifications, unix(7).
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub listener_path: String,
    /// Words for that agent.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub listener_metadata: String,
    /// Rules for calls.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub syscalls: Vec<Syscall>,
}

/// One of `linux.seccomp.syscalls`: a rule for some calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Syscall {
    /// The calls' names.
    pub names: Vec<String>,
    /// What becomes of them, `SCMP_ACT_*`.
    pub action: String,
    /// The error number of the action, where that takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    /// Conditions on the arguments.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<SyscallArg>,
}

/// One of a rule's conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyscallArg {
    /// Which argument, from 0 to 5.
    pub index: u32,
    /// What it is compared with; the mask of `SCMP_CMP_MASKED_EQ`.
    pub value: u64,
    /// What the masked argument is compared with.
    #[serde(default, deserialize_with = "nullable")]
    pub value_two: u64,
    /// How, `SCMP_CMP_*`.
    pub op: String,
}
