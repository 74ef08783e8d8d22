//! `network`, which only v1 has.

use coble_spec::{Network, Resources};

use super::{Target, Write};
use crate::Error;

/// A class of 0 is none.
pub(super) fn class(resources: &Resources, target: &Target<'_>) -> Result<Vec<Write>, Error> {
    const POINTER: &str = "/linux/resources/network/classID";
    let class = resources.network.as_ref().and_then(|network| network.class_id);
    match class.filter(|&class| class != 0) {
        None => Ok(Vec::new()),
        Some(_) if target.is_v2 => Err(only_v1(POINTER, "net_cls")),
        Some(class) => Ok(vec![Write::new(POINTER, "net_cls.classid", class)]),
    }
}

pub(super) fn priorities(resources: &Resources, target: &Target<'_>) -> Result<Vec<Write>, Error> {
    const POINTER: &str = "/linux/resources/network/priorities";
    let Some(Network { priorities, .. }) = &resources.network else { return Ok(Vec::new()) };
    if target.is_v2 && !priorities.is_empty() {
        return Err(only_v1(POINTER, "net_prio"));
    }
    let mut writes = Vec::new();
    for (index, one) in priorities.iter().enumerate() {
        let pointer = format!("{POINTER}/{index}");
        if one.name.is_empty() || one.name.contains(char::is_whitespace) {
            return Err(Error::value(
                pointer,
                format!("{:?} is not the name of an interface", one.name),
            ));
        }
        let line = format!("{} {}", one.name, one.priority);
        writes.push(Write::new(pointer, "net_prio.ifpriomap", line));
    }
    Ok(writes)
}

fn only_v1(pointer: &str, controller: &str) -> Error {
    Error::value(pointer, format!("needs cgroup v1 with the controller {controller}"))
}
