//! Namespaces that are joined by a path and turn out to be the host's own.

use std::os::unix::fs::MetadataExt;

use coble_spec::{NamespaceKind, Spec};

use crate::error::{Error, Result};
use crate::sysctl;

/// Refuses kernel parameters that would be the host's.
///
/// # Errors
/// A parameter of a namespace that the configuration joins, and that this process is in.
pub(crate) fn refuse_host_sysctls(spec: &Spec) -> Result<()> {
    let Some(linux) = spec.linux.as_ref().filter(|linux| !linux.sysctl.is_empty()) else {
        return Ok(());
    };
    for namespace in linux.namespaces.iter().filter(|namespace| !namespace.path.is_empty()) {
        if !is_own(namespace.kind, &namespace.path)? {
            continue;
        }
        let of_it = |key: &&String| {
            sysctl::path(key).and_then(|path| sysctl::namespace(&path)) == Some(namespace.kind)
        };
        if let Some(key) = linux.sysctl.keys().find(of_it) {
            let kind = namespace.kind;
            let words = format!("sysctl {key:?} not allowed in host {kind} namespace");
            return Err(Error::config("/linux/sysctl", words));
        }
    }
    Ok(())
}

/// Whether the namespace at a path is the one that this process is in.
pub(crate) fn is_own(kind: NamespaceKind, path: &str) -> Result<bool> {
    let own = format!("/proc/thread-self/ns/{}", kind.file_name());
    let identity = |path: &str| {
        let metadata = std::fs::metadata(path).map_err(|error| Error::at("stat", path, error))?;
        Ok::<_, Error>((metadata.dev(), metadata.ino()))
    };
    Ok(identity(&own)? == identity(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(path: &str, key: &str) -> Spec {
        let text = format!(
            r#"{{"ociVersion":"1.3.0","linux":{{
                "namespaces":[{{"type":"network","path":"{path}"}}],
                "sysctl":{{"{key}":"1"}}}}}}"#
        );
        coble_spec::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_hosts_namespace_is_known_by_any_path() {
        let error = refuse_host_sysctls(&spec("/proc/thread-self/ns/net", "net.ipv4.ip_forward"))
            .unwrap_err();
        let words = "sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace";
        assert_eq!(error.to_string(), words);
        assert_eq!(refuse_host_sysctls(&spec("/proc/self/ns/net", "kernel.shmmax")), Ok(()));
    }

    #[test]
    fn the_own_namespace_of_each_kind_has_a_file() {
        for kind in NamespaceKind::ALL {
            let own = format!("/proc/self/ns/{}", kind.file_name());
            assert_eq!(is_own(kind, &own), Ok(true), "{kind}");
            assert_eq!(is_own(kind, "/proc/self/exe"), Ok(false), "{kind}");
        }
    }
}
