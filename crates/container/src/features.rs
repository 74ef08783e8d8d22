//! `features`: what coble can do.
//!
//! No claim is written down here a second time. Names come from the tables that the code reads. Whether a section of the
//! configuration is there is asked of [`validate`], which refuses what coble can't carry out: a claim is true as
//! soon as the configuration that asks for it passes, and not before.

use std::collections::BTreeMap;

use coble_cgroup::UNIT_PROPERTIES;
use coble_plan::{MEMORY_POLICIES, MEMORY_POLICY_FLAGS};
use coble_seccomp::{Action, Arch, operators};
use coble_spec::features::{
    Cgroup, Enabled, Features, IntelRdt, Linux, MemoryPolicy, MountExtensions, Seccomp,
};
use coble_spec::{Hooks, NamespaceKind, OCI_VERSION, Spec};
use serde_json::{Value, json};

use crate::capability;
use crate::filter;
use crate::mount_options::known;
use crate::validate::{ANNOTATION_PREFIXES, hook_kinds, validate};

/// The first version whose configurations mean the same today.
const OLDEST: &str = "1.0.0";

/// What coble can do (features.md), whatever the host can. The answer is always the same.
pub fn features() -> Features {
    let annotations = [
        ("coble.version", env!("CARGO_PKG_VERSION")),
        // Other runtimes may set it (runc, types/features); a version of runc is not claimed.
        ("org.opencontainers.runc.checkpoint.enabled", "false"),
    ];
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Features {
        oci_version_min: OLDEST.to_owned(),
        oci_version_max: OCI_VERSION.to_owned(),
        hooks: Some(owned(hook_kinds(&Hooks::default()).map(|(name, _)| name))),
        mount_options: Some(known()),
        linux: Some(linux()),
        annotations: Some(BTreeMap::from(annotations.map(own))),
        potentially_unsafe_config_annotations: Some(owned(
            ANNOTATION_PREFIXES.into_iter().chain([UNIT_PROPERTIES]),
        )),
    }
}

fn linux() -> Linux {
    let mut namespaces = owned(NamespaceKind::ALL.map(NamespaceKind::as_str));
    namespaces.sort_unstable();
    let section = |pointer, value| Enabled { enabled: Some(takes(&[(pointer, value)])) };
    Linux {
        namespaces: Some(namespaces),
        capabilities: Some(owned(capability::NAMES.iter().copied())),
        cgroup: Some(cgroup()),
        seccomp: Some(seccomp()),
        apparmor: Some(section("/process/apparmorProfile", json!("profile"))),
        selinux: Some(Enabled {
            enabled: Some(takes(&[
                ("/process/selinuxLabel", json!("u:r:t:s0")),
                ("/linux/mountLabel", json!("u:object_r:t:s0")),
            ])),
        }),
        intel_rdt: Some(intel_rdt()),
        memory_policy: Some(memory_policy()),
        mount_extensions: Some(MountExtensions { idmap: Some(idmap()) }),
        net_devices: Some(section("/linux/netDevices", json!({"eth0": {}}))),
    }
}

/// Flags are those of every kernel that coble runs on.
fn seccomp() -> Seccomp {
    let takes = |section: Value| takes(&[("/linux/seccomp", section)]);
    let is_action = |name: &&str| {
        let rule = json!({"names": ["mkdir"], "action": name});
        takes(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    };
    let mut archs: Vec<String> = Arch::all().map(Arch::name).collect();
    archs.sort_unstable();
    let flags = owned(filter::FLAGS.iter().map(|(name, _)| *name));
    Seccomp {
        enabled: Some(takes(json!({"defaultAction": "SCMP_ACT_ALLOW"}))),
        actions: Some(owned(Action::names().filter(is_action))),
        operators: Some(owned(operators())),
        archs: Some(archs),
        known_flags: Some(flags),
        supported_flags: Some(owned(filter::supported_flags())),
    }
}

/// Versions 1 and 2 are found on the host, never refused (coble-cgroup).
fn cgroup() -> Cgroup {
    let systemd = takes(&[("/linux/cgroupsPath", json!("system.slice:coble:name"))]);
    Cgroup {
        v1: Some(true),
        v2: Some(true),
        systemd: Some(systemd),
        systemd_user: Some(systemd),
        rdma: Some(takes(&[("/linux/resources", json!({"rdma": {"mlx5_0": {"hcaHandles": 1}}}))])),
    }
}

fn intel_rdt() -> IntelRdt {
    let takes = |section| Some(takes(&[("/linux/intelRdt", section)]));
    IntelRdt {
        enabled: takes(json!({"closID": "class", "l3CacheSchema": "L3:0=f"})),
        schemata: takes(json!({"closID": "class", "schemata": ["L3:0=f"]})),
        monitoring: takes(json!({"closID": "class", "enableMonitoring": true})),
    }
}

fn memory_policy() -> MemoryPolicy {
    let mut modes = owned(MEMORY_POLICIES);
    modes.sort_unstable();
    let flags = MEMORY_POLICY_FLAGS.iter().map(|(name, _)| *name);
    MemoryPolicy { modes: Some(modes), flags: Some(owned(flags)) }
}

fn idmap() -> Enabled {
    let ids = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
    let mount = json!([{
        "destination": "/mnt", "source": "/srv", "type": "bind", "options": ["bind", "idmap"],
        "uidMappings": ids, "gidMappings": ids,
    }]);
    Enabled { enabled: Some(takes(&[("/mounts", mount)])) }
}

/// Whether a container that has these values at these places in its configuration would be made.
fn takes(members: &[(&str, Value)]) -> bool {
    spec(members).is_some_and(|spec| validate(&spec).is_ok())
}

/// The least configuration with these members; `None` if they can't be read.
fn spec(members: &[(&str, Value)]) -> Option<Spec> {
    let kinds = NamespaceKind::ALL.into_iter().filter(|kind| *kind != NamespaceKind::User);
    let mut value = json!({
        "ociVersion": OCI_VERSION,
        "root": {"path": "rootfs"},
        "process": {"user": {}, "cwd": "/", "args": ["sh"]},
        "linux": {"namespaces": kinds.map(|kind| json!({"type": kind})).collect::<Vec<_>>()},
    });
    for (pointer, member) in members {
        let (parent, name) = pointer.rsplit_once('/')?;
        value.pointer_mut(parent)?[name] = member.clone();
    }
    coble_spec::parse(value.to_string().as_bytes()).ok()
}

fn owned<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_configuration_passes_so_that_a_refusal_is_about_the_member() {
        assert!(takes(&[]));
        assert!(!takes(&[("/linux/personality", json!({"domain": "PLAN9"}))]));
        assert!(!takes(&[("/linux/namespaces", json!("not a list"))]));
    }

    #[test]
    fn each_version_namespace_and_capability_that_is_claimed_passes() {
        let features = features();
        for version in [features.oci_version_min, features.oci_version_max] {
            assert!(takes(&[("/ociVersion", json!(version))]), "{version}");
        }
        let linux = features.linux.unwrap();
        for kind in linux.namespaces.unwrap() {
            let mut members = vec![("/linux/namespaces", json!([{ "type": kind }]))];
            if kind == "user" {
                let ids = json!([{"containerID": 0, "hostID": 0, "size": 1}]);
                members.extend([("/linux/uidMappings", ids.clone()), ("/linux/gidMappings", ids)]);
            }
            assert!(takes(&members), "{kind}");
        }
        for name in linux.capabilities.unwrap() {
            let sets = json!({"bounding": [name], "permitted": [name], "effective": [name]});
            assert!(takes(&[("/process/capabilities", sets)]), "{name}");
        }
    }

    #[test]
    fn each_mount_option_that_is_claimed_passes() {
        for option in features().mount_options.unwrap() {
            let ids = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
            let mut mount = json!({"destination": "/mnt", "source": "/srv", "options": [option]});
            match option.as_str() {
                "idmap" | "ridmap" => {
                    mount["options"] = json!(["rbind", option]);
                    (mount["uidMappings"], mount["gidMappings"]) = (ids.clone(), ids);
                }
                _ => mount["type"] = json!("tmpfs"),
            }
            assert_eq!(
                validate(&spec(&[("/mounts", json!([mount]))]).unwrap()),
                Ok(()),
                "{option}"
            );
        }
    }

    #[test]
    fn what_begins_as_an_unsafe_annotation_is_never_passed_over() {
        let all = features().potentially_unsafe_config_annotations.unwrap();
        // systemd's are read where systemd makes the cgroup.
        for prefix in all.into_iter().filter(|prefix| prefix != UNIT_PROPERTIES) {
            assert!(!takes(&[("/annotations", json!({ format!("{prefix}x"): "1" }))]), "{prefix}");
        }
        assert!(takes(&[(
            "/annotations",
            json!({"io.podman.annotations.x": "1", "run.ocix": ""})
        )]));
    }

    /// A hook without a path is refused wherever it is read.
    #[test]
    fn each_hook_that_is_claimed_is_read() {
        for name in features().hooks.unwrap() {
            let hooks = |path: &str| json!({ name.clone(): [{"path": path}] });
            assert!(takes(&[("/hooks", hooks("/bin/true"))]), "{name}");
            assert!(!takes(&[("/hooks", hooks("true"))]), "{name}");
        }
    }

    #[test]
    fn what_is_claimed_of_a_section_fits_together() {
        let linux = features().linux.unwrap();
        let rdt = linux.intel_rdt.unwrap();
        assert!(
            rdt.enabled == Some(true)
                || (rdt.schemata, rdt.monitoring) == (Some(false), Some(false))
        );
        let options = features().mount_options.unwrap();
        let claims_option = options.iter().any(|option| option == "idmap");
        assert_eq!(linux.mount_extensions.unwrap().idmap.unwrap().enabled, Some(claims_option));
        let takes = |mode: &str, nodes: &str, flags: &[&str]| {
            let policy = json!({"mode": mode, "nodes": nodes, "flags": flags});
            takes(&[("/linux/memoryPolicy", policy)])
        };
        let policy = linux.memory_policy.unwrap();
        let (modes, flags) = (policy.modes.unwrap(), policy.flags.unwrap());
        // Two modes are about no nodes at all.
        assert!(modes.iter().all(|mode| takes(mode, "0", &[]) || takes(mode, "", &[])));
        assert!(flags.iter().all(|flag| takes("MPOL_BIND", "0", &[flag])));
        assert_eq!((modes.len(), flags.len()), (7, 3));
    }
}
