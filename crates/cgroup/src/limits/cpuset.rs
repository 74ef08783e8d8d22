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

#[cfg(test)]
mod tests {
    use coble_spec::Cpu;

    use super::*;
    use crate::limits::tests::{v1, v2, values};

    #[test]
    fn empty_lists_are_none_and_names_may_lack_the_prefix() {
        let resources = |cpus: &str, mems: &str| Resources {
            cpu: Some(Cpu { cpus: Some(cpus.into()), mems: Some(mems.into()), ..Cpu::default() }),
            ..Resources::default()
        };
        assert!(values(writes(&resources("", ""), &v1())).is_empty());
        assert_eq!(
            values(writes(&resources("0-1", "0"), &v2())),
            ["cpuset.cpus=0-1", "cpuset.mems=0"]
        );
        let noprefix = Target { read: &|name| (name == "cpus").then(String::new), ..v1() };
        assert_eq!(values(writes(&resources("3", ""), &noprefix)), ["cpus=3"]);
    }
}
