//! Everything about a configuration that can be judged without looking at the host.
//!
//! A configuration that passes has only parts that coble can carry out: what it can't do is refused here by name, never
//! passed over. What depends on the host (a file that is missing, a joined
//! namespace that isn't one, a kernel that lacks a feature) is found later.

mod annotations;
mod cgroup;
mod devices;
mod hooks;
mod id;
mod intel_rdt;
mod mappings;
mod mounts;
mod namespaces;
mod net_devices;
mod new_mounts;
mod process;
mod sysctl;
mod text;

use std::fmt;

use coble_spec::{Linux, Process, Resources, Spec};

use crate::filter;
use crate::memory_policy::resolve;

pub(crate) use annotations::{FAIL_UNKNOWN_SYSCALL, PREFIXES as ANNOTATION_PREFIXES};
pub(crate) use hooks::kinds as hook_kinds;
pub use id::{MAX_ID, validate_id};
pub(crate) use intel_rdt::check as check_intel_rdt;
pub(crate) use new_mounts::{validate_destinations, validate_new_mounts};
pub(crate) use text::quoted;

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// A JSON pointer (RFC 6901) into the object that was checked; empty for the object itself. Where a
    /// member is missing, it says where the member would stand.
    pub pointer: String,
    /// Why, without a full stop.
    pub reason: String,
}

impl Invalid {
    pub(crate) fn new(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::at(pointer, reason)
    }

    fn at(pointer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), reason: reason.into() }
    }

    /// The same, seen from the object that has this one at `pointer`.
    pub(crate) fn below(mut self, pointer: &str) -> Self {
        self.pointer.insert_str(0, pointer);
        self
    }
}

/// `POINTER: REASON` in one line.
impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "/" } else { &self.pointer };
        write!(f, "{}: {}", text::one_line(pointer), text::one_line(&self.reason))
    }
}

impl std::error::Error for Invalid {}

/// Checks a whole `config.json`.
///
/// # Errors
/// The first thing that is wrong.
pub fn validate(spec: &Spec) -> Result<(), Invalid> {
    text::version(&spec.oci_version)?;
    text::without_nul(spec)?;
    members(spec)?;
    filter::check(spec)
}

/// The same for a configuration that was read from `text`, which mostly shows at a glance that no string has a
/// NUL; but for `linux.seccomp`, which is judged by whoever makes a filter of it.
pub(crate) fn validate_read(spec: &Spec, text: &[u8]) -> Result<(), Invalid> {
    text::version(&spec.oci_version)?;
    if text::may_have_nul(text) {
        text::without_nul(spec)?;
    }
    members(spec)
}

fn members(spec: &Spec) -> Result<(), Invalid> {
    root(spec)?;
    let none = Linux::default();
    let linux = spec.linux.as_ref().unwrap_or(&none);
    let process = spec.process.as_ref();
    let process =
        process.ok_or_else(|| Invalid::at("/process", "process property must not be empty"))?;
    process::check(process).map_err(|invalid| invalid.below("/process"))?;
    annotations::check(spec)?;
    namespaces::check(spec, linux)?;
    net_devices::check(linux)?;
    mappings::check(linux, &process.user)?;
    mounts::check(&spec.mounts, linux)?;
    devices::check(linux)?;
    cgroup::check(linux)?;
    sysctl::check(spec, linux)?;
    memory_policy(linux)?;
    if let Some(rdt) = &linux.intel_rdt {
        intel_rdt::check(rdt).map_err(|invalid| invalid.below("/linux/intelRdt"))?;
    }
    spec.hooks.as_ref().map_or(Ok(()), hooks::check)
}

/// Checks the process of an `exec` by itself; pointers start at the process object.
///
/// # Errors
/// The first thing that is wrong.
pub fn validate_process(process: &Process) -> Result<(), Invalid> {
    text::without_nul(process)?;
    process::check(process)
}

fn memory_policy(linux: &Linux) -> Result<(), Invalid> {
    let Some(policy) = &linux.memory_policy else { return Ok(()) };
    let invalid = |(place, reason): (String, String)| {
        Invalid::at(format!("/linux/memoryPolicy{place}"), reason)
    };
    resolve(policy).map(drop).map_err(invalid)
}

/// Checks the limits of an `update` by themselves; pointers start at the resources object.
///
/// # Errors
/// The first thing that is wrong.
pub fn validate_resources(resources: &Resources) -> Result<(), Invalid> {
    text::without_nul(resources)?;
    cgroup::resources(resources)
}

fn root(spec: &Spec) -> Result<(), Invalid> {
    match &spec.root {
        None => Err(Invalid::at("/root", "root must be specified")),
        Some(root) if root.path.is_empty() => {
            Err(Invalid::at("/root/path", "the path of the root must not be empty"))
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
