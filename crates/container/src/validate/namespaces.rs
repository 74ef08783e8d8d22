//! `linux.namespaces` and what is possible only in a namespace of its own (config-linux.md, "Namespaces").

use coble_spec::{Linux, Namespace, NamespaceKind, Spec, TimeOffset, reference_token};

use super::Invalid;
use super::text::quoted;

/// The longest host name that sethostname(2) takes, in bytes.
const MAX_NAME: usize = 64;

/// The namespace of this kind that is to be made or joined.
pub(super) fn find(linux: &Linux, kind: NamespaceKind) -> Option<&Namespace> {
    linux.namespaces.iter().find(|namespace| namespace.kind == kind)
}

pub(super) fn check(spec: &Spec, linux: &Linux) -> Result<(), Invalid> {
    list(&linux.namespaces)?;
    names(spec, linux)?;
    paths(linux)?;
    read_only_root(spec, linux)?;
    time_offsets(linux)?;
    personality(linux)?;
    user(linux)
}

/// config-linux.md, "Personality".
fn personality(linux: &Linux) -> Result<(), Invalid> {
    let Some(personality) = &linux.personality else { return Ok(()) };
    if !matches!(personality.domain.as_str(), "LINUX" | "LINUX32") {
        let reason = format!("unknown domain {}", quoted(&personality.domain));
        return Err(Invalid::at("/linux/personality/domain", reason));
    }
    if !personality.flags.is_empty() {
        return Err(Invalid::at("/linux/personality/flags", "there are no personality flags"));
    }
    Ok(())
}

fn list(namespaces: &[Namespace]) -> Result<(), Invalid> {
    for (index, namespace) in namespaces.iter().enumerate() {
        let kind = namespace.kind;
        if namespaces[..index].iter().any(|earlier| earlier.kind == kind) {
            let reason = format!("malformed spec file: duplicated ns {:?}", kind.as_str());
            return Err(Invalid::at(format!("/linux/namespaces/{index}/type"), reason));
        }
        if !namespace.path.is_empty() && !namespace.path.starts_with('/') {
            let reason = format!("{} is not an absolute path", quoted(&namespace.path));
            return Err(Invalid::at(format!("/linux/namespaces/{index}/path"), reason));
        }
    }
    Ok(())
}

fn names(spec: &Spec, linux: &Linux) -> Result<(), Invalid> {
    for (name, value) in [("hostname", &spec.hostname), ("domainname", &spec.domainname)] {
        let reason = if value.is_empty() {
            continue;
        } else if find(linux, NamespaceKind::Uts).is_none() {
            format!("unable to set {name} without a private UTS namespace")
        } else if value.len() > MAX_NAME {
            format!("{} bytes, at most {MAX_NAME} are possible", value.len())
        } else {
            continue;
        };
        return Err(Invalid::at(format!("/{name}"), reason));
    }
    Ok(())
}

/// Without mounts of its own, making the root read-only would make the host's mount so.
fn read_only_root(spec: &Spec, linux: &Linux) -> Result<(), Invalid> {
    let read_only = spec.root.as_ref().is_some_and(|root| root.readonly);
    if read_only && find(linux, NamespaceKind::Mount).is_none() {
        let reason = "unable to make the root read-only without a private MNT namespace";
        return Err(Invalid::at("/root/readonly", reason));
    }
    Ok(())
}

/// `maskedPaths`, `readonlyPaths` and `rootfsPropagation`.
fn paths(linux: &Linux) -> Result<(), Invalid> {
    let lists = [("maskedPaths", &linux.masked_paths), ("readonlyPaths", &linux.readonly_paths)];
    for (name, list) in lists {
        if !list.is_empty() && find(linux, NamespaceKind::Mount).is_none() {
            let reason = "unable to restrict sys entries without a private MNT namespace";
            return Err(Invalid::at(format!("/linux/{name}"), reason));
        }
        if let Some(index) = list.iter().position(|path| !path.starts_with('/')) {
            let reason = format!("{} is not an absolute path", quoted(&list[index]));
            return Err(Invalid::at(format!("/linux/{name}/{index}"), reason));
        }
    }
    let propagation = &linux.rootfs_propagation;
    if !propagation.is_empty() && find(linux, NamespaceKind::Mount).is_none() {
        let reason = "unable to set the propagation of mounts without a private MNT namespace";
        return Err(Invalid::at("/linux/rootfsPropagation", reason));
    }
    if propagation.is_empty() || propagation.parse::<crate::mount_options::Propagation>().is_ok() {
        return Ok(());
    }
    let reason = format!("rootfsPropagation={} is not supported", quoted(propagation));
    Err(Invalid::at("/linux/rootfsPropagation", reason))
}

fn time_offsets(linux: &Linux) -> Result<(), Invalid> {
    let offsets = &linux.time_offsets;
    let reason = match find(linux, NamespaceKind::Time) {
        _ if offsets.is_empty() => return Ok(()),
        None => "time namespace offsets specified, but time namespace isn't enabled in the config",
        Some(joined) if !joined.path.is_empty() => {
            "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one"
        }
        Some(_) => {
            return offsets.iter().try_for_each(|(clock, offset)| time_offset(clock, *offset));
        }
    };
    Err(Invalid::at("/linux/timeOffsets", reason))
}

/// The two clocks that time_namespaces(7) has.
fn time_offset(clock: &str, offset: TimeOffset) -> Result<(), Invalid> {
    let pointer = format!("/linux/timeOffsets/{}", reference_token(clock));
    if !matches!(clock, "monotonic" | "boottime") {
        return Err(Invalid::at(pointer, format!("unknown clock {}", quoted(clock))));
    }
    if offset.nanosecs >= 1_000_000_000 {
        let reason = format!("{} is more than 999999999", offset.nanosecs);
        return Err(Invalid::at(format!("{pointer}/nanosecs"), reason));
    }
    Ok(())
}

/// A user namespace and its mappings go together. A joined one may come with mappings, as some engines
/// write it; whether they are those of the namespace is seen once it is joined.
fn user(linux: &Linux) -> Result<(), Invalid> {
    let mappings = !linux.uid_mappings.is_empty() || !linux.gid_mappings.is_empty();
    let reason = match find(linux, NamespaceKind::User) {
        None if mappings => {
            "user namespace mappings specified, but user namespace isn't enabled in the config"
        }
        Some(made) if made.path.is_empty() && !mappings => {
            "user namespaces enabled, but no namespace path to join nor mappings to apply specified"
        }
        _ => return Ok(()),
    };
    let member =
        if linux.uid_mappings.is_empty() && mappings { "gidMappings" } else { "uidMappings" };
    Err(Invalid::at(format!("/linux/{member}"), reason))
}
