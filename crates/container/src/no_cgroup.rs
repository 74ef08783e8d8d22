//! What a container can't have that is to have no cgroup.

use coble_spec::{Linux, NamespaceKind, Resources, Spec};

use crate::compile::listed;
use crate::status::has_own_pids;
use crate::validate::Invalid;

/// Refuses what only a cgroup can do: limits, device rules (but in a user namespace, whose root can make no devices; one
/// that the caller is in does as well), and to end processes that no pid namespace ends.
///
/// # Errors
/// The first of it.
pub(crate) fn check(spec: &Spec, is_rootless: bool) -> Result<(), Invalid> {
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
