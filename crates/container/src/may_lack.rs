//! What a container may lack if the rights for it are missing.

use coble_spec::{Namespace, NamespaceKind, Spec};

use crate::compile::listed;
use crate::facts::Facts;

/// What need not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MayLack {
    /// Its cgroup, if nothing asks for one.
    pub(crate) cgroup: bool,
    /// Device rules: only where a user namespace keeps the container from making devices.
    pub(crate) device_rules: bool,
}

impl MayLack {
    /// `rootless` is what the caller says of it.
    pub(crate) fn of(rootless: Option<bool>, spec: &Spec, facts: &Facts) -> Self {
        let cgroup = rootless.unwrap_or_else(|| facts.is_rootless());
        let is_user = |own: &Namespace| own.kind == NamespaceKind::User;
        let has_no_devices = facts.is_rootless() || listed(spec).iter().any(is_user);
        Self { cgroup, device_rules: cgroup && has_no_devices }
    }
}
