//! `linux.sysctl` (config-linux.md, "Sysctl"): only parameters of the container's own namespaces.

use coble_spec::{Linux, NamespaceKind, Spec, reference_token};

use super::text::quoted;
use super::{Invalid, namespaces};
use crate::sysctl;

pub(super) fn check(spec: &Spec, linux: &Linux) -> Result<(), Invalid> {
    linux.sysctl.keys().try_for_each(|key| {
        let pointer = || format!("/linux/sysctl/{}", reference_token(key));
        one(key, spec, linux).map_err(|reason| Invalid::at(pointer(), reason))
    })
}

/// `user.*` could also be written without a user namespace, but then for the whole host.
fn one(key: &str, spec: &Spec, linux: &Linux) -> Result<(), String> {
    let shown = quoted(key);
    let Some(path) = sysctl::path(key) else {
        return Err(format!("{shown} is not the name of a kernel parameter"));
    };
    let Some(kind) = sysctl::namespace(&path) else {
        return Err(format!("sysctl {shown} is not in a separate kernel namespace"));
    };
    let own = namespaces::find(linux, kind).is_some();
    match kind {
        NamespaceKind::Ipc if !own => {
            Err(format!("sysctl {shown} is not allowed in the hosts ipc namespace"))
        }
        NamespaceKind::Network if !own => {
            Err(format!("sysctl {shown} not allowed in host network namespace"))
        }
        NamespaceKind::User if !own => {
            Err(format!("setting ucounts without a user namespace not allowed: {shown}"))
        }
        _ if !own => Err(format!("sysctl {shown} is not in a separate kernel namespace")),
        NamespaceKind::Uts => host_names(&path, &shown, !spec.domainname.is_empty()),
        _ => Ok(()),
    }
}

/// The host name has a member of its own in the configuration, and so has the domain name, which engines
/// set through its parameter nevertheless.
fn host_names(path: &str, shown: &str, domainname: bool) -> Result<(), String> {
    let member = match path {
        "kernel/hostname" => "hostname",
        _ if domainname => "domainname",
        _ => return Ok(()),
    };
    Err(format!("sysctl {shown} is not allowed as it conflicts with the OCI {member:?} field"))
}
