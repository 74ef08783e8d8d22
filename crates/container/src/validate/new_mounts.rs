//! Mounts that are to be added to a container that is there already.

use coble_spec::{Linux, Mount, Namespace, NamespaceKind};

use super::text::quoted;
use super::{Invalid, mounts, text};
use crate::mount_options::MountOptions;

/// New file systems that need nothing of the host: whatever else their sources name would be looked for in the
/// container, whose processes could have put anything there.
const KINDS: [&str; 5] = ["tmpfs", "ramfs", "mqueue", "hugetlbfs", "devpts"];

/// Checks mounts for [`add_mounts`](crate::add_mounts); pointers are those into a configuration with them.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn validate_new_mounts(mounts: &[Mount]) -> Result<(), Invalid> {
    text::without_nul(&mounts).map_err(|invalid| invalid.below("/mounts"))?;
    let namespace = Namespace { kind: NamespaceKind::Mount, path: String::new() };
    let linux = Linux { namespaces: vec![namespace], ..Linux::default() };
    mounts::check(mounts, &linux)?;
    mounts.iter().enumerate().try_for_each(|(index, mount)| {
        one(mount).map_err(|invalid| invalid.below(&format!("/mounts/{index}")))
    })
}

/// Checks the destinations of mounts that are to be removed.
///
/// # Errors
/// The first one that is wrong.
pub(crate) fn validate_destinations(mounts: &[Mount]) -> Result<(), Invalid> {
    text::without_nul(&mounts).map_err(|invalid| invalid.below("/mounts"))?;
    mounts.iter().enumerate().try_for_each(|(index, mount)| {
        mounts::destination(&mount.destination)
            .map_err(|invalid| invalid.below(&format!("/mounts/{index}")))
    })
}

fn one(mount: &Mount) -> Result<(), Invalid> {
    let Ok(options) = MountOptions::parse(&mount.options) else { return Ok(()) };
    let refused = |pointer: &str, what: &str| {
        Err(Invalid::at(pointer, format!("{what} in a container that is there already")))
    };
    if options.remount {
        return refused("/options", "a mount can't be changed");
    }
    if options.id_map.is_some() || !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty()
    {
        return refused("/options", "ids can't be mapped");
    }
    if options.binds(&mount.kind) {
        return Ok(());
    }
    if !KINDS.contains(&mount.kind.as_str()) {
        let kind = quoted(&mount.kind);
        return refused("/type", &format!("a file system of the type {kind} can't be mounted"));
    }
    if options.needs_mount() || !options.propagation.is_empty() {
        return refused("/options", "a new file system can't have these options");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, options: &[&str]) -> String {
        let mount = Mount {
            destination: "/x".to_owned(),
            kind: kind.to_owned(),
            source: "/y".to_owned(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            ..Mount::default()
        };
        validate_new_mounts(&[mount]).err().map_or_else(String::new, |invalid| invalid.to_string())
    }

    #[test]
    fn nothing_is_looked_for_in_the_container() {
        assert_eq!(check("bind", &["rbind", "ro", "rprivate"]), "");
        assert_eq!(check("tmpfs", &["ro", "size=1m", "mode=700"]), "");
        let tail = "in a container that is there already";
        let kind = |kind: &str| {
            format!("/mounts/0/type: a file system of the type \"{kind}\" can't be mounted {tail}")
        };
        for name in ["proc", "sysfs", "cgroup", "cgroup2", "overlay", "ext4", "nfs"] {
            assert_eq!(check(name, &[]), kind(name));
        }
        let options = |what: &str| format!("/mounts/0/options: {what} {tail}");
        assert_eq!(check("", &["remount", "ro"]), options("a mount can't be changed"));
        assert_eq!(
            check("tmpfs", &["slave"]),
            options("a new file system can't have these options")
        );
    }
}
