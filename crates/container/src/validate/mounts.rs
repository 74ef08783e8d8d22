//! `mounts` (config.md, "Mounts").

use coble_spec::{Linux, Mount, NamespaceKind};

use super::text::quoted;
use super::{Invalid, mappings, namespaces};
use crate::id_map::meant;
use crate::mount_ids::MountIds;
use crate::mount_options::MountOptions;

pub(super) fn check(mounts: &[Mount], linux: &Linux) -> Result<(), Invalid> {
    if !mounts.is_empty() && namespaces::find(linux, NamespaceKind::Mount).is_none() {
        return Err(Invalid::at("/mounts", "unable to mount without a private MNT namespace"));
    }
    mounts.iter().enumerate().try_for_each(|(index, mount)| {
        one(mount, linux).map_err(|invalid| invalid.below(&format!("/mounts/{index}")))
    })
}

fn one(mount: &Mount, linux: &Linux) -> Result<(), Invalid> {
    destination(&mount.destination)?;
    let options = MountOptions::parse(&mount.options).map_err(|bad| {
        let reason = format!("mount option {}: {}", quoted(&bad.option), bad.reason);
        Invalid::at(format!("/options/{}", bad.index), reason)
    })?;
    let bind = options.binds(&mount.kind);
    if !options.remount {
        source(mount, bind)?;
    }
    if bind && let Some(word) = options.asked_of_the_file_system() {
        let reason = "bind mounts cannot have any filesystem-specific options applied";
        return Err(Invalid::at("/options", format!("{reason}: {}", quoted(word))));
    }
    if options.remount
        && let Some(word) = options.of_the_file_system()
    {
        let reason = "a remount changes the mount, not its file system";
        return Err(Invalid::at("/options", format!("{reason}: {}", quoted(word))));
    }
    if options.copy_up && (bind || options.remount || mount.kind != "tmpfs") {
        return Err(Invalid::at("/options", "tmpcopyup needs a new file system of the type tmpfs"));
    }
    id_mapping(mount, &options, linux)?;
    owners(&options, linux)
}

fn id_mapping(mount: &Mount, options: &MountOptions, linux: &Linux) -> Result<(), Invalid> {
    let ids = MountIds::of(mount, options, linux)
        .map_err(|bad| Invalid::at(format!("/{}", bad.member), bad.reason))?;
    let ids = ids.unwrap_or_default();
    let at = |own: &[_], member| if own.is_empty() { "/options" } else { member };
    mappings::list(&ids.uids, at(&mount.uid_mappings, "/uidMappings"))?;
    mappings::list(&ids.gids, at(&mount.gid_mappings, "/gidMappings"))
}

/// A relative destination is one relative to the root: the specification forbids it, but engines write it.
pub(super) fn destination(destination: &str) -> Result<(), Invalid> {
    let mut depth = 0_usize;
    for part in destination.split('/') {
        match part {
            "" | "." => {}
            ".." => depth = depth.saturating_sub(1),
            _ => depth += 1,
        }
    }
    match depth {
        _ if destination.is_empty() => {
            Err(Invalid::at("/destination", "the destination of a mount must not be empty"))
        }
        0 => Err(Invalid::at("/destination", "a mount cannot take the place of the root")),
        _ => Ok(()),
    }
}

fn source(mount: &Mount, bind: bool) -> Result<(), Invalid> {
    if bind && mount.source.is_empty() {
        return Err(Invalid::at("/source", "a bind mount needs a source"));
    }
    if !bind && matches!(mount.kind.as_str(), "" | "none") {
        return Err(Invalid::at("/type", "a mount that is not a bind mount needs a type"));
    }
    Ok(())
}

/// Files of a new file system can only belong to someone who exists in the user namespace. (`gid=5` of a
/// devpts is what rootless containers stumble over.)
fn owners(options: &MountOptions, linux: &Linux) -> Result<(), Invalid> {
    let [uids, gids] = meant(linux);
    for datum in &options.data {
        let list = match datum.key.as_str() {
            "uid" => uids,
            "gid" => gids,
            _ => continue,
        };
        // What isn't a number is for the file system to judge.
        let Some(id) = datum.value.as_ref().and_then(|value| value.parse().ok()) else { continue };
        if !list.is_empty() && !mappings::has(list, id) {
            let reason = format!("{}={id} is not mapped in the user namespace", datum.key);
            return Err(Invalid::at("/options", reason));
        }
    }
    Ok(())
}
