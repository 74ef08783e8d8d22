//! Where a container's cgroup is, as one line of text.
//!
//! The line is kept in the container's state and is the target of a symbolic link beside it. With cgroup v2
//! alone it is a path that works: `/sys/fs/cgroup//name`; the two slashes, which no cleaned path has, part
//! the mount point from the path below it. Otherwise every further hierarchy follows, again after two
//! slashes: its controllers, mount point, two slashes, and the path or a dot for the same path as before:
//! `/sys/fs/cgroup/unified//a/b//memory/sys/fs/cgroup/memory//.`. `none` is a container without a cgroup.
//!
//! A cgroup that systemd has made ends with `//unit=system`, or `//unit=user` for a user's manager; the last part of its
//! path is the unit's name. `//unit=system,2` is a cgroup two directories below that of the unit.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::place::Place;
use crate::systemd::{Manager, Unit};

const NONE: &str = "none";
const SEPARATOR: &str = "//";
const SAME: &str = ".";
const UNIT: &str = "//unit=";

/// A [`Cgroup`](crate::Cgroup) as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Record(String);

impl Record {
    /// The target of a symbolic link that records the cgroup.
    pub fn to_link_target(&self) -> String {
        self.0.clone()
    }

    /// Takes the target of such a link back. It is understood only when it is used.
    pub fn from_link_target(target: &str) -> Self {
        Self(target.to_owned())
    }

    pub(crate) fn write(places: &[Place], unit: Option<&Unit>) -> Self {
        let mut text = String::new();
        let mut last = "";
        for place in places {
            if !text.is_empty() {
                text.push_str(SEPARATOR);
            }
            text.push_str(&place.controllers);
            text.push_str(place.point());
            text.push_str(SEPARATOR);
            let path = place.path();
            text.push_str(if path == last { SAME } else { path });
            last = path;
        }
        if let Some(unit) = unit {
            text.push_str(UNIT);
            text.push_str(unit.manager.name());
            let depth = unit.depth();
            if depth > 0 {
                text.push_str(&format!(",{depth}"));
            }
        }
        Self(if text.is_empty() { NONE.to_owned() } else { text })
    }

    /// # Errors
    /// [`Error::Unreadable`].
    pub(crate) fn read(&self) -> Result<(Vec<Place>, Option<Unit>), Error> {
        if self.0 == NONE {
            return Ok((Vec::new(), None));
        }
        self.parse_all().ok_or_else(|| Error::Unreadable {
            path: format!("the recorded cgroup {:?}", self.0),
            reason: "no runtime of this name has written it".to_owned(),
        })
    }

    fn parse_all(&self) -> Option<(Vec<Place>, Option<Unit>)> {
        let Some((text, manager)) = self.0.split_once(UNIT) else {
            return parse(&self.0).map(|places| (places, None));
        };
        let places = parse(text)?;
        let (manager, depth) = match manager.split_once(',') {
            Some((manager, depth)) => (manager, depth.parse().ok().filter(|depth| *depth > 0)?),
            None => (manager, 0),
        };
        let manager = Manager::from_name(manager)?;
        let unit = Unit::at(manager, places.first()?.path(), depth)?;
        Some((places, Some(unit)))
    }
}

fn parse(text: &str) -> Option<Vec<Place>> {
    let mut places: Vec<Place> = Vec::new();
    let mut parts = text.split(SEPARATOR);
    while let Some(head) = parts.next() {
        let (controllers, point) = head.split_at(head.find('/')?);
        let path = match (parts.next()?, places.last()) {
            (SAME, Some(last)) => last.path(),
            (path, _) => path,
        };
        if !is_clean(point.strip_prefix('/')?) || !is_clean(path) {
            return None;
        }
        if controllers.is_empty() && !places.is_empty() {
            return None; // v2 comes first, and once
        }
        let place = Place::new(controllers, point, path);
        places.push(place);
    }
    Some(places)
}

/// Whether a relative path has nothing in it that leads elsewhere.
pub(crate) fn is_clean(path: &str) -> bool {
    !path.split('/').any(|part| matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(list: &[(&str, &str, &str)]) -> Vec<Place> {
        list.iter().map(|(controllers, point, path)| Place::new(controllers, point, path)).collect()
    }

    #[test]
    fn v2_alone_is_a_path_that_works() {
        let places = places(&[("", "/sys/fs/cgroup", "docker/c0ffee")]);
        let record = Record::write(&places, None);
        assert_eq!(record.to_link_target(), "/sys/fs/cgroup//docker/c0ffee");
        assert_eq!(record.read(), Ok((places, None)));
    }

    #[test]
    fn all_of_v1_comes_back() {
        let places = places(&[
            ("", "/sys/fs/cgroup/unified", "a/b"),
            ("memory", "/sys/fs/cgroup/memory", "a/b"),
            ("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "a/b"),
            ("name=systemd", "/sys/fs/cgroup/systemd", "user.slice/a/b"),
            ("pids", "/sys/fs/cgroup/pids", "a/b"),
        ]);
        let record = Record::write(&places, None);
        assert_eq!(
            record.to_link_target(),
            "/sys/fs/cgroup/unified//a/b//memory/sys/fs/cgroup/memory//.\
             //cpu,cpuacct/sys/fs/cgroup/cpu,cpuacct//.\
             //name=systemd/sys/fs/cgroup/systemd//user.slice/a/b//pids/sys/fs/cgroup/pids//a/b"
        );
        assert_eq!(Record::from_link_target(&record.to_link_target()).read(), Ok((places, None)));
    }

    #[test]
    fn a_unit_is_told_by_its_manager_and_the_path() {
        let places = places(&[
            ("", "/cg/unified", "system.slice/coble-a.scope"),
            ("name=systemd", "/cg/systemd", "system.slice/coble-a.scope"),
        ]);
        let unit = Unit {
            manager: Manager::System,
            name: "coble-a.scope".to_owned(),
            below: String::new(),
        };
        let record = Record::write(&places, Some(&unit));
        let text =
            "/cg/unified//system.slice/coble-a.scope//name=systemd/cg/systemd//.//unit=system";
        assert_eq!(record.to_link_target(), text);
        assert_eq!(record.read(), Ok((places, Some(unit))));
    }

    #[test]
    fn a_cgroup_below_that_of_a_unit_says_how_far() {
        let places = places(&[("", "/cg", "system.slice/coble-a.scope/b/c")]);
        let unit = Unit::at(Manager::User, places[0].path(), 2).unwrap();
        let record = Record::write(&places, Some(&unit));
        assert_eq!(record.to_link_target(), "/cg//system.slice/coble-a.scope/b/c//unit=user,2");
        assert_eq!(record.read(), Ok((places, Some(unit))));
    }

    #[test]
    fn no_cgroup_has_a_word() {
        assert_eq!(Record::write(&[], None).to_link_target(), "none");
        assert_eq!(Record::from_link_target("none").read(), Ok((Vec::new(), None)));
    }

    #[test]
    fn json_is_a_string() {
        let record = Record::write(&places(&[("", "/cg", "a")]), None);
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(json, r#""/cg//a""#);
        assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for target in [
            "",
            "x",
            "/cg",
            "/cg//",
            "/cg//..",
            "/cg//a/../b",
            "/cg/..//a",
            "//a",
            "/cg//.",
            "/cg//a//x",
            "/cg//a//memory/m",
            "memory/m//a///cg//a",
            "/cg//a///cg//b",
            "/cg//a//",
            "/cg//a//memory/m/..//b",
            "/cg//a//unit=system",
            "/cg//a.scope//unit=",
            "/cg//a.scope//unit=else",
            "/cg//a.scope//unit=system,0",
            "/cg//a.scope//unit=system,1",
            "/cg//a.scope/b//unit=system,",
            "/cg//a.scope/b//unit=system,2",
            "/cg//a.scope/b//unit=system,-1",
            "/cg//a.scope//unit=user//memory/m//.",
            "none//unit=user",
        ] {
            let result = Record::from_link_target(target).read();
            assert!(matches!(result, Err(Error::Unreadable { .. })), "{target:?} gives {result:?}");
        }
    }
}
