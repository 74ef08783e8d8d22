//! `linux.uidMappings` and `linux.gidMappings`: the rules of user_namespaces(7), "User and group ID mappings".

use coble_spec::{IdMapping, Linux, NamespaceKind, User};

use super::{Invalid, namespaces};
use crate::id_map::{lines, meant};

/// Since Linux 4.15.
const MAX_LINES: usize = 340;

/// The kernel takes them in one write of less than a page, the largest that a processor may have.
const MAX_TEXT: usize = if cfg!(target_arch = "x86_64") { 4095 } else { 65535 };

pub(super) fn check(linux: &Linux, user: &User) -> Result<(), Invalid> {
    let Some(namespace) = namespaces::find(linux, NamespaceKind::User) else { return Ok(()) };
    let new = namespace.path.is_empty();
    for (member, list, kind) in
        [("uidMappings", &linux.uid_mappings, "uid"), ("gidMappings", &linux.gid_mappings, "gid")]
    {
        let pointer = format!("/linux/{member}");
        self::list(list, &pointer)?;
        // The container is put together as its root, who owns its files and mounts.
        if new && !has(list, 0) {
            let reason = format!("user namespaces enabled, but no mapping found for {kind} 0");
            return Err(Invalid::at(pointer, reason));
        }
    }
    process(linux, user)
}

/// Checks a list of mappings that stands at `pointer`.
pub(super) fn list(list: &[IdMapping], pointer: &str) -> Result<(), Invalid> {
    if list.len() > MAX_LINES {
        let reason = format!("{} mappings, at most {MAX_LINES} are possible", list.len());
        return Err(Invalid::at(pointer, reason));
    }
    let length = lines(list).len();
    if length > MAX_TEXT {
        let reason = format!(
            "{} mappings are {length} bytes in the kernel's form, at most {MAX_TEXT} are possible",
            list.len()
        );
        return Err(Invalid::at(pointer, reason));
    }
    ranges(list).map_err(|invalid| invalid.below(pointer))
}

/// Whether an id inside the namespace has one outside.
pub(super) fn has(list: &[IdMapping], id: u32) -> bool {
    list.iter().any(|range| id >= range.container_id && id - range.container_id < range.size)
}

/// No range is empty, goes beyond the ids that there are, or meets another one inside or outside.
fn ranges(list: &[IdMapping]) -> Result<(), Invalid> {
    for (index, range) in list.iter().enumerate() {
        if range.size == 0 {
            return Err(Invalid::at(format!("/{index}/size"), "a mapping must not be empty"));
        }
        for (member, first) in [("containerID", range.container_id), ("hostID", range.host_id)] {
            // 4294967295 itself is no id.
            if u32::MAX - first < range.size {
                let reason = format!("{} ids from {first} on are too many", range.size);
                return Err(Invalid::at(format!("/{index}/{member}"), reason));
            }
        }
    }
    disjoint(list, "containerID", |range| range.container_id)?;
    disjoint(list, "hostID", |range| range.host_id)
}

fn disjoint(list: &[IdMapping], member: &str, first: fn(&IdMapping) -> u32) -> Result<(), Invalid> {
    let mut order: Vec<(usize, &IdMapping)> = list.iter().enumerate().collect();
    order.sort_by_key(|(_, range)| first(range));
    for pair in order.windows(2) {
        let [(_, low), (index, high)] = pair else { continue };
        if first(high) - first(low) < low.size {
            let reason = format!("{} is in another mapping too", first(high));
            return Err(Invalid::at(format!("/{index}/{member}"), reason));
        }
    }
    Ok(())
}

/// The process can only be someone who exists in the namespace. Nothing is known here of the mappings of a
/// joined one, unless they are written down.
fn process(linux: &Linux, user: &User) -> Result<(), Invalid> {
    let [uids, gids] = meant(linux);
    let missing = |list: &[IdMapping], id: u32| !list.is_empty() && !has(list, id);
    let groups = &user.additional_gids;
    let (member, id) = if missing(uids, user.uid) {
        ("uid".to_owned(), user.uid)
    } else if missing(gids, user.gid) {
        ("gid".to_owned(), user.gid)
    } else if let Some(index) = groups.iter().position(|gid| missing(gids, *gid)) {
        (format!("additionalGids/{index}"), groups[index])
    } else {
        return Ok(());
    };
    let reason = format!("{id} is not mapped in the user namespace");
    Err(Invalid::at(format!("/process/user/{member}"), reason))
}
