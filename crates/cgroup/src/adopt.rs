//! A cgroup that another runtime has made.

use std::collections::BTreeMap;

use coble_sys::rustix::fs;

use crate::hierarchy::Mount;
use crate::place::Place;
use crate::record::is_clean;
use crate::systemd::{Manager, Unit};
use crate::{Cgroup, Error, Hierarchy};

impl Cgroup {
    /// Takes over the directories at `paths`, by controller: `memory`, `name=systemd`, and an empty name for v2.
    /// Controllers that share a hierarchy name the same directory.
    ///
    /// With `rootless`, directories that aren't there are left out: a plain user's runtime notes where they would
    /// be, and leaves the container where it is. With `by_systemd` it is the cgroup of the unit that its path ends with, of
    /// the user's manager if it is `rootless`: that one is told of new limits, and stops the unit.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for a path that is not below the mount point of its controller's hierarchy: what is
    /// done to a cgroup, killing and removing included, must not be done to anything else.
    pub fn adopt(
        hierarchy: &Hierarchy,
        paths: &BTreeMap<String, String>,
        rootless: bool,
        by_systemd: bool,
    ) -> Result<Self, Error> {
        let mut places: Vec<Place> = Vec::new();
        for (controller, path) in paths.iter().filter(|(_, path)| !path.is_empty()) {
            let mount = mount_of(hierarchy, controller);
            let place = mount.and_then(|mount| place_at(mount, path));
            let place = place.ok_or_else(|| Error::Unreadable {
                path: path.clone(),
                reason: format!("no cgroup of {} is there", title(controller)),
            })?;
            let is_missing = rootless && fs::stat(place.dir()).is_err();
            if !is_missing && !places.contains(&place) {
                places.push(place);
            }
        }
        let manager = if rootless { Manager::User } else { Manager::System };
        let unit = places.first().filter(|_| by_systemd);
        let unit = unit.and_then(|place| Unit::at(manager, place.path(), 0));
        // An empty name sorts first, and v2 comes first.
        Ok(Self::placed(places, unit))
    }
}

fn mount_of<'a>(hierarchy: &'a Hierarchy, controller: &str) -> Option<&'a Mount> {
    if controller.is_empty() {
        return hierarchy.unified.as_ref();
    }
    let has = |mount: &&Mount| mount.controllers.split(',').any(|one| one == controller);
    hierarchy.legacy.iter().find(has)
}

fn place_at(mount: &Mount, path: &str) -> Option<Place> {
    let below = path.strip_prefix(&mount.point)?.strip_prefix('/')?;
    is_clean(below).then(|| Place::new(&mount.controllers, &mount.point, below))
}

fn title(controller: &str) -> &str {
    if controller.is_empty() { "version 2" } else { controller }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "31 23 0:28 / /cg rw - tmpfs tmpfs rw\n\
        32 31 0:29 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /cg/memory rw - cgroup cgroup rw,memory\n\
        40 31 0:37 / /cg/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
        41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n";
    const OWN: &str = "9:name=systemd:/\n4:memory:/job/7\n2:cpu,cpuacct:/\n0::/\n";

    fn adopted(paths: &[(&str, &str)], rootless: bool) -> Result<String, Error> {
        adopted_by(paths, rootless, false)
    }

    fn adopted_by(paths: &[(&str, &str)], rootless: bool, systemd: bool) -> Result<String, Error> {
        let hierarchy = Hierarchy::parse(MOUNTS.as_bytes(), OWN).unwrap();
        let paths = paths.iter().map(|&(name, path)| (name.to_owned(), path.to_owned())).collect();
        Cgroup::adopt(&hierarchy, &paths, rootless, systemd)
            .map(|cgroup| cgroup.record().to_link_target())
    }

    #[test]
    fn each_hierarchy_is_one_place_and_v2_comes_first() {
        let record = adopted(
            &[
                ("memory", "/cg/memory/job/7/box"),
                ("cpuacct", "/cg/cpu,cpuacct/box"),
                ("name=systemd", "/cg/systemd/box"),
                ("cpu", "/cg/cpu,cpuacct/box"),
                ("", "/cg/unified/box"),
                ("rdma", ""),
            ],
            false,
        );
        let expected = "/cg/unified//box//cpu,cpuacct/cg/cpu,cpuacct//.//memory/cg/memory//job/7/box\
            //name=systemd/cg/systemd//box";
        assert_eq!(record, Ok(expected.to_owned()));
    }

    #[test]
    fn what_is_no_cgroup_is_refused() {
        for (name, path) in [
            ("memory", "/home/box"),
            ("memory", "/cg/memory"),
            ("memory", "/cg/memory/"),
            ("memory", "/cg/memory/../../etc"),
            ("memory", "/cg/memory//box"),
            ("memory", "/cg/memory2/box"),
            ("memory", "/cg/unified/box"),
            ("memory", "box"),
            ("pids", "/cg/memory/box"),
            ("", "/cg/memory/box"),
        ] {
            let result = adopted(&[(name, path)], false);
            assert!(matches!(result, Err(Error::Unreadable { .. })), "{name}:{path}: {result:?}");
        }
    }

    #[test]
    fn systemds_unit_is_the_last_part() {
        let scope = [("", "/cg/unified/system.slice/runc-box.scope")];
        let record = adopted_by(&scope, false, true);
        assert_eq!(record.unwrap(), "/cg/unified//system.slice/runc-box.scope//unit=system");
        assert_eq!(adopted(&scope, false).unwrap(), "/cg/unified//system.slice/runc-box.scope");
        let elsewhere = [("memory", "/cg/memory/box")];
        assert_eq!(adopted_by(&elsewhere, false, true).unwrap(), "memory/cg/memory//box");
        assert_eq!(adopted_by(&[], true, true).unwrap(), "none");
    }

    #[test]
    fn a_plain_users_cgroups_may_be_missing() {
        assert_eq!(adopted(&[("memory", "/cg/memory/box")], true), Ok("none".to_owned()));
        assert_eq!(adopted(&[], false), Ok("none".to_owned()));
        assert!(adopted(&[("memory", "/etc/box")], true).is_err());
    }
}
