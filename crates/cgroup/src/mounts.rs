//! What a container's mount of the type `cgroup` shows on a machine with cgroup v1.

use crate::Cgroup;
use crate::place::Place;

/// One hierarchy as the container sees it, in a directory of its own below the mount's destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerMount {
    /// The directory's name, as on the host: `memory`, `cpu,cpuacct`, `systemd`, `unified`.
    pub name: String,
    /// The container's cgroup on the host, for a bind mount where there is no cgroup namespace.
    pub dir: String,
    /// `cgroup` or `cgroup2`, for a mount of its own inside a cgroup namespace.
    pub kind: &'static str,
    /// What that mount takes as data: the controllers, such as `cpu,cpuacct` or `name=systemd`; nothing for
    /// v2.
    pub data: String,
    /// Symbolic links to the directory, beside it: `cpu` and `cpuacct` for `cpu,cpuacct`.
    pub links: Vec<String>,
}

impl Cgroup {
    /// The hierarchies that a mount of the type `cgroup` consists of. It is empty with cgroup v2 alone,
    /// where one mount of the type `cgroup2` is all.
    pub fn mounts(&self) -> Vec<ContainerMount> {
        if self.legacy().is_empty() {
            return Vec::new();
        }
        self.legacy().iter().chain(self.unified()).map(mount).collect()
    }
}

fn mount(place: &Place) -> ContainerMount {
    let name = place.point().rsplit('/').next().unwrap_or_default();
    let links =
        if name.contains(',') { name.split(',').map(str::to_owned).collect() } else { Vec::new() };
    ContainerMount {
        name: name.to_owned(),
        dir: place.dir().to_owned(),
        kind: if place.is_v2() { "cgroup2" } else { "cgroup" },
        data: place.controllers.clone(),
        links,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;

    fn mounts(record: &str) -> Vec<ContainerMount> {
        Cgroup::from_record(&Record::from_link_target(record)).unwrap().mounts()
    }

    #[test]
    fn v2_alone_has_no_parts() {
        assert!(mounts("/sys/fs/cgroup//a").is_empty());
        assert!(mounts("none").is_empty());
    }

    #[test]
    fn v1_has_a_directory_for_each_hierarchy() {
        let found =
            mounts("/cg/unified//a//cpuacct,cpu/cg/cpu,cpuacct//.//name=systemd/cg/systemd//u/a");
        let expected = [
            ("cpu,cpuacct", "/cg/cpu,cpuacct/a", "cgroup", "cpuacct,cpu", vec!["cpu", "cpuacct"]),
            ("systemd", "/cg/systemd/u/a", "cgroup", "name=systemd", vec![]),
            ("unified", "/cg/unified/a", "cgroup2", "", vec![]),
        ];
        let expected = expected.map(|(name, dir, kind, data, links)| ContainerMount {
            name: name.to_owned(),
            dir: dir.to_owned(),
            kind,
            data: data.to_owned(),
            links: links.into_iter().map(str::to_owned).collect(),
        });
        assert_eq!(found, expected);
    }
}
