//! `process` (config.md, "Process").

use serde::{Deserialize, Serialize};

use crate::{is_false, nullable};

/// The program to run and what it runs as.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Whether a pseudo-terminal stands at the standard streams.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_false")]
    pub terminal: bool,
    /// The terminal's size at the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<ConsoleSize>,
    /// Who the process is.
    #[serde(default, deserialize_with = "nullable")]
    pub user: User,
    /// The program and its arguments.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// `NAME=value`, as in environ(7).
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Absolute path of the working directory inside the container.
    #[serde(default, deserialize_with = "nullable")]
    pub cwd: String,
    /// The five sets of capabilities(7).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// Limits as in setrlimit(2).
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub rlimits: Vec<Rlimit>,
    /// Whether PR_SET_NO_NEW_PRIVS is set.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_false")]
    pub no_new_privileges: bool,
    /// AppArmor profile to change to at exec.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub apparmor_profile: String,
    /// Written to `/proc/self/oom_score_adj`, -1000 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
    /// Scheduling attributes, sched_setattr(2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<Scheduler>,
    /// SELinux context to change to at exec.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub selinux_label: String,
    /// I/O priority, ioprio_set(2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_priority: Option<IoPriority>,
    /// Processors of an exec'ed process.
    #[serde(rename = "execCPUAffinity", skip_serializing_if = "Option::is_none")]
    pub exec_cpu_affinity: Option<CpuAffinity>,
}

/// `process.consoleSize`, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSize {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// `process.user`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// User id inside the container.
    #[serde(default, deserialize_with = "nullable")]
    pub uid: u32,
    /// Group id inside the container.
    #[serde(default, deserialize_with = "nullable")]
    pub gid: u32,
    /// umask(2) of the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// Further groups.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub additional_gids: Vec<u32>,
}

/// `process.capabilities`: names such as `CAP_KILL`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Upper bound of what an exec can gain.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub bounding: Vec<String>,
    /// What the kernel checks.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub effective: Vec<String>,
    /// What an exec keeps together with the file's own set.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub inheritable: Vec<String>,
    /// Upper bound of the effective set.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub permitted: Vec<String>,
    /// What an exec of an unprivileged file keeps.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub ambient: Vec<String>,
}

/// One of `process.rlimits`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// A name such as `RLIMIT_NOFILE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The ceiling.
    pub hard: u64,
    /// The value in force.
    pub soft: u64,
}

/// `process.scheduler`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduler {
    /// A name such as `SCHED_FIFO`.
    pub policy: String,
    /// nice(2) value.
    #[serde(default, deserialize_with = "nullable")]
    pub nice: i32,
    /// Static priority.
    #[serde(default, deserialize_with = "nullable")]
    pub priority: i32,
    /// Names such as `SCHED_FLAG_RESET_ON_FORK`.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// `SCHED_DEADLINE`: nanoseconds of run time in a period.
    #[serde(default, deserialize_with = "nullable")]
    pub runtime: u64,
    /// `SCHED_DEADLINE`: nanoseconds.
    #[serde(default, deserialize_with = "nullable")]
    pub deadline: u64,
    /// `SCHED_DEADLINE`: nanoseconds.
    #[serde(default, deserialize_with = "nullable")]
    pub period: u64,
}

/// `process.ioPriority`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoPriority {
    /// A name such as `IOPRIO_CLASS_BE`.
    pub class: String,
    /// 0 (first) to 7.
    #[serde(default, deserialize_with = "nullable")]
    pub priority: i32,
}

/// `process.execCPUAffinity`: lists such as `0-3,7`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuAffinity {
    /// Before the process is moved to its cgroup.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "String::is_empty")]
    pub initial: String,
    /// After that.
    #[serde(rename = "final", default, deserialize_with = "nullable")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last: String,
}
