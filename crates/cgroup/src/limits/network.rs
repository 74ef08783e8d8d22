//! `network`, which only v1 has.

use coble_spec::{Network, Resources};

use super::{Target, Write, only_v1};
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

#[cfg(test)]
mod tests {
    use coble_spec::InterfacePriority;

    use super::*;
    use crate::limits::tests::{v1, v2, values};

    fn resources(class_id: u32, name: &str) -> Resources {
        let priorities = vec![InterfacePriority { name: name.to_owned(), priority: 5 }];
        let network = Network { class_id: Some(class_id), priorities };
        Resources { network: Some(network), ..Resources::default() }
    }

    #[test]
    fn v1_marks_packets() {
        let resources = resources(0x10_0001, "eth0");
        assert_eq!(values(class(&resources, &v1())), ["net_cls.classid=1048577"]);
        assert_eq!(values(priorities(&resources, &v1())), ["net_prio.ifpriomap=eth0 5"]);
    }

    #[test]
    fn v2_refuses() {
        let resources = resources(7, "eth0");
        assert!(
            values(class(&resources, &v2()))[0]
                .contains("needs cgroup v1 with the controller net_cls")
        );
        assert!(values(priorities(&resources, &v2()))[0].contains("net_prio"));
        let none = Resources {
            network: Some(Network { class_id: Some(0), priorities: Vec::new() }),
            ..Resources::default()
        };
        assert!(
            values(class(&none, &v2())).is_empty() && values(priorities(&none, &v2())).is_empty()
        );
    }

    #[test]
    fn a_name_is_one_word() {
        assert!(
            values(priorities(&resources(0, "a b"), &v1()))[0]
                .starts_with("/linux/resources/network/priorities/0: ")
        );
    }
}
