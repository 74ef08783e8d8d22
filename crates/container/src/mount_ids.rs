//! How the ids of a mount are mapped (config.md, "Mounts"; mount_setattr(2), "ID-mapped mounts").

use coble_spec::{IdMapping, Linux, Mount, NamespaceKind};

use crate::id_map::meant;
use crate::mount_options::{IdMap, MountOptions, Range};

/// The mapping of one mount: ids in the file system, and what they are on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MountIds {
    /// Users; empty, as the groups are, where the ids are mapped as the container's user namespace does.
    pub uids: Vec<IdMapping>,
    /// Groups.
    pub gids: Vec<IdMapping>,
    /// Whether those of the mounts below it are mapped too.
    pub recursive: bool,
}

/// A mapping that can't be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadIds {
    /// The member of the mount.
    pub member: &'static str,
    /// Why not.
    pub reason: String,
}

impl MountIds {
    /// What a mount asks for; `None` if nothing has to be done for it.
    ///
    /// Mappings without the option mean `idmap`, as in runc. Without mappings a new file system has nothing to be
    /// mapped: it belongs to the container's user namespace, so its ids are that one's already.
    ///
    /// # Errors
    /// A mapping that is incomplete, or of something that can't be mapped.
    pub(crate) fn of(
        mount: &Mount,
        options: &MountOptions,
        linux: &Linux,
    ) -> Result<Option<Self>, BadIds> {
        let own = !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty();
        if options.id_map.is_none() && !own {
            return Ok(None);
        }
        let option = options.id_map.clone().unwrap_or_default();
        let binds = options.binds(&mount.kind);
        if options.remount {
            return Err(bad("options", "the ids of a mount that is there already can't be mapped"));
        }
        if !binds && matches!(mount.kind.as_str(), "cgroup" | "cgroup2") {
            return Err(bad("options", "the ids of cgroups can't be mapped"));
        }
        let recursive = option.recursive;
        let (uids, gids) = match (own, option.uids.is_empty()) {
            (true, true) => (mount.uid_mappings.clone(), mount.gid_mappings.clone()),
            (true, false) => {
                return Err(bad("options", "there are uidMappings and gidMappings besides"));
            }
            (false, false) => of_option(&option, linux)?,
            (false, true) => {
                let has_user = linux.namespaces.iter().any(|own| own.kind == NamespaceKind::User);
                return match has_user {
                    true => Ok(binds.then_some(Self { recursive, ..Self::default() })),
                    false => Err(bad("options", INCOMPLETE)),
                };
            }
        };
        match (uids.is_empty(), gids.is_empty()) {
            (true, _) => Err(bad("uidMappings", INCOMPLETE)),
            (_, true) => Err(bad("gidMappings", INCOMPLETE)),
            _ => Ok(Some(Self { uids, gids, recursive })),
        }
    }
}

/// The words of runc.
const INCOMPLETE: &str = "id-mapped mounts must have both uid and gid mappings specified";

fn bad(member: &'static str, reason: impl Into<String>) -> BadIds {
    BadIds { member, reason: reason.into() }
}

fn of_option(option: &IdMap, linux: &Linux) -> Result<(Vec<IdMapping>, Vec<IdMapping>), BadIds> {
    let [uids, gids] = meant(linux);
    Ok((absolute(&option.uids, uids)?, absolute(&option.gids, gids)?))
}

/// The ranges with ids of the host, where those of the container stand for them.
fn absolute(ranges: &[Range], container: &[IdMapping]) -> Result<Vec<IdMapping>, BadIds> {
    let absolute = ranges.iter().map(|range| {
        let IdMapping { host_id: first, size, .. } = range.mapping;
        if !range.relative {
            return Ok(range.mapping);
        }
        let holds = |own: &&IdMapping| {
            let last = u64::from(first) + u64::from(size);
            first >= own.container_id && last <= u64::from(own.container_id) + u64::from(own.size)
        };
        let own = container.iter().find(holds).ok_or_else(|| {
            bad(
                "options",
                format!("{size} ids from {first} on are not mapped together in the user namespace"),
            )
        })?;
        let host_id = own.host_id + (first - own.container_id);
        Ok(IdMapping { host_id, ..range.mapping })
    });
    absolute.collect()
}

#[cfg(test)]
mod tests;
