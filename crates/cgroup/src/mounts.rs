//! What a container's mount of the type `cgroup` shows on a machine with cgroup v1.

use crate::Cgroup;
use crate::place::Place;

/// One hierarchy as the container sees it, in a directory of its own below the mount's destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerMount {
    /// The directory's name, as on the host: `memory`, `cpu,cpuacct`, `systemd`, `unified`.
    pub name: String,
    /// The container's cgroup on the host, for a bind mount.
    pub dir: String,
    /// The hierarchy's controllers or its name, such as `cpu,cpuacct` or `name=systemd`; empty for v2's.
    pub controllers: String,
    /// Symbolic links to the directory, beside it: `cpu` and `cpuacct` for `cpu,cpuacct`.
    pub links: Vec<String>,
}

impl ContainerMount {
    /// Whether it shows the cgroup of v2.
    pub fn is_v2(&self) -> bool {
        self.controllers.is_empty()
    }
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
        controllers: place.controllers.clone(),
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
            ("cpu,cpuacct", "/cg/cpu,cpuacct/a", "cpuacct,cpu", vec!["cpu", "cpuacct"]),
            ("systemd", "/cg/systemd/u/a", "name=systemd", vec![]),
            ("unified", "/cg/unified/a", "", vec![]),
        ];
        let expected = expected.map(|(name, dir, controllers, links)| ContainerMount {
            name: name.to_owned(),
            dir: dir.to_owned(),
            controllers: controllers.to_owned(),
            links: links.into_iter().map(str::to_owned).collect(),
        });
        assert_eq!(found, expected);
    }
}
