//! Where a container's cgroup is to be, and what a container can't have that is to have none.

use coble_cgroup::Cgroup;
use coble_spec::{Linux, Namespace, NamespaceKind, Resources, Spec};

use crate::compile::listed;
use crate::create::Create;
use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::status::has_own_pids;
use crate::subgroup;
use crate::validate::{Invalid, quoted};

/// Where the container's cgroup will be, if it is to have one.
///
/// # Errors
/// It can't be there, or the container can't do without.
pub(crate) fn locate(create: &Create, spec: &Spec, facts: &Facts) -> Result<Cgroup> {
    let in_config = |bad: Invalid| Error::config(&bad.pointer, format!("config.json: {bad}"));
    if !create.systemd_cgroup {
        subgroup::refuse_without_systemd(&spec.annotations).map_err(in_config)?;
    }
    if create.no_cgroup {
        check(spec, facts.is_rootless()).map_err(in_config)?;
        return Ok(Cgroup::nowhere());
    }
    let path = spec.linux.as_ref().map_or("", |linux| linux.cgroups_path.as_str());
    if create.systemd_cgroup {
        let (is_user, below) = (facts.is_rootless(), subgroup::path(&spec.annotations));
        return Ok(Cgroup::locate_unit(&facts.hierarchy, path, &create.id, is_user, &below)?);
    }
    refuse_systemds(path).map_err(in_config)?;
    Ok(Cgroup::locate(&facts.hierarchy, path, &create.id)?)
}

/// What a container may lack if the rights for it are missing.
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

/// Refuses a path in systemd's form where systemd isn't asked: whoever writes it counts on the limits of a slice.
fn refuse_systemds(path: &str) -> std::result::Result<(), Invalid> {
    if path.contains('/') || path.split(':').count() != 3 {
        return Ok(());
    }
    let shown = quoted(path);
    let reason =
        format!("{shown} has systemd's form slice:prefix:name, and needs --systemd-cgroup");
    Err(Invalid::new("/linux/cgroupsPath", reason))
}

/// Refuses what only a cgroup can do: limits, device rules (but in a user namespace, whose root can make no devices; one
/// that the caller is in does as well), and to end processes that no pid namespace ends.
///
/// # Errors
/// The first of it.
fn check(spec: &Spec, is_rootless: bool) -> std::result::Result<(), Invalid> {
    let refuse = |pointer: &str, reason: &str| {
        Err(Invalid::new(pointer, format!("without a cgroup {reason}")))
    };
    let namespaces = listed(spec);
    if !has_own_pids(namespaces) {
        return refuse("/linux/namespaces", "only a new pid namespace ends all processes");
    }
    if !is_rootless && !namespaces.iter().any(|own| own.kind == NamespaceKind::User) {
        return refuse("/linux/namespaces", "only a user namespace keeps devices out of reach");
    }
    let none = Linux::default();
    let linux = spec.linux.as_ref().unwrap_or(&none);
    if !linux.cgroups_path.is_empty() {
        return refuse("/linux/cgroupsPath", "there is no path of one");
    }
    let limits = |resources: &Resources| Resources { devices: Vec::new(), ..resources.clone() };
    if linux.resources.as_ref().is_some_and(|asked| limits(asked) != Resources::default()) {
        return refuse("/linux/resources", "there are no limits");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refused(linux: Value) -> Option<String> {
        refused_to(false, linux)
    }

    fn refused_to(is_rootless: bool, linux: Value) -> Option<String> {
        let spec = json!({"ociVersion": "1.3.0", "linux": linux}).to_string();
        check(&coble_spec::parse(spec.as_bytes()).unwrap(), is_rootless)
            .err()
            .map(|invalid| invalid.pointer)
    }

    #[test]
    fn what_only_a_cgroup_can_do_is_refused() {
        let own = json!([{"type": "pid"}, {"type": "user"}]);
        let rules = json!([{"allow": false, "access": "rwm"}]);
        assert_eq!(refused(json!({"namespaces": own, "resources": {"devices": rules}})), None);
        let cases = [
            (json!({"namespaces": [{"type": "user"}]}), "/linux/namespaces"),
            (
                json!({"namespaces": [{"type": "pid", "path": "/x"}, {"type": "user"}]}),
                "/linux/namespaces",
            ),
            (json!({"namespaces": [{"type": "pid"}]}), "/linux/namespaces"),
            (json!({"namespaces": own, "cgroupsPath": "/x"}), "/linux/cgroupsPath"),
            (json!({"namespaces": own, "resources": {"pids": {"limit": 1}}}), "/linux/resources"),
            (
                json!({"namespaces": own, "resources": {"unified": {"a.b": "1"}}}),
                "/linux/resources",
            ),
        ];
        for (linux, pointer) in cases {
            assert_eq!(refused(linux.clone()).as_deref(), Some(pointer), "{linux}");
        }
    }

    #[test]
    fn the_callers_user_namespace_keeps_devices_out_of_reach_too() {
        let linux = json!({"namespaces": [{"type": "pid"}]});
        assert_eq!(refused_to(true, linux.clone()), None);
        assert_eq!(refused_to(false, linux).as_deref(), Some("/linux/namespaces"));
    }
}
