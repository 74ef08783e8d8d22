//! The processors and memory nodes of `cpu`.

use coble_spec::Resources;

use super::{Target, Write};
use crate::Error;

pub(super) fn writes(resources: &Resources, target: &Target<'_>) -> Result<Vec<Write>, Error> {
    let Some(cpu) = &resources.cpu else { return Ok(Vec::new()) };
    let asked = [
        ("/linux/resources/cpu/cpus", "cpus", &cpu.cpus),
        ("/linux/resources/cpu/mems", "mems", &cpu.mems),
    ];
    let mut writes = Vec::new();
    for (pointer, name, list) in asked {
        let Some(list) = list.as_deref().filter(|list| !list.is_empty()) else { continue };
        writes.push(Write::new(pointer, file(name, target), list));
    }
    Ok(writes)
}

/// A v1 hierarchy that is mounted with `noprefix` leaves the controller out of its names.
fn file(name: &str, target: &Target<'_>) -> String {
    let full = format!("cpuset.{name}");
    if !target.is_v2 && (target.read)(&full).is_none() && (target.read)(name).is_some() {
        return name.to_owned();
    }
    full
}
