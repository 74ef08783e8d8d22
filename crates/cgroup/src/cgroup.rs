//! A container's cgroup: one directory in every hierarchy.

use std::sync::OnceLock;

use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{self, Mode, OFlags};

use crate::hierarchy::{Mount, Own, own_memberships};
use crate::membership::memberships;
use crate::path::CgroupsPath;
use crate::place::Place;
use crate::systemd::Unit;
use crate::{Error, Hierarchy, Record};

/// A container's cgroup. It may not be there yet, or not any more.
#[derive(Debug)]
pub struct Cgroup {
    /// At most one is v2, and it comes first.
    pub(crate) places: Vec<Place>,
    /// The configuration says where: then it is no good anywhere else, nor can it be left out.
    pub(crate) is_explicit: bool,
    /// Why it is missing from a hierarchy where nobody has said where it is to be.
    pub(crate) missing: Option<Error>,
    /// The unit whose cgroup it is, if systemd makes it.
    pub(crate) unit: Option<Unit>,
    directory: OnceLock<OwnedFd>,
}

impl Cgroup {
    /// Says where the cgroup of the container `id` is, with `cgroups_path` as in `linux.cgroupsPath`, empty
    /// if there is none. An absolute path is below the mount points. A relative one, and the id, is below
    /// this process's own cgroup with v1, and beside it with v2, where a cgroup with processes can't have
    /// limits on its children.
    ///
    /// # Errors
    /// [`Error::Value`] for a path that can't be used; [`Error::Os`] if the own cgroup can't be read.
    pub fn locate(hierarchy: &Hierarchy, cgroups_path: &str, id: &str) -> Result<Self, Error> {
        let path = CgroupsPath::parse(cgroups_path, id)?;
        let unified = hierarchy.unified.iter().map(|mount| in_unified(mount, &path));
        let legacy = hierarchy.legacy.iter().map(|mount| in_legacy(mount, &path));
        let (is_explicit, mut missing) = (!cgroups_path.is_empty(), None);
        let mut places = Vec::new();
        for place in unified.chain(legacy) {
            match place {
                // A mount of the host's in a cgroup namespace: the own cgroup is not in sight there.
                Err(error @ Error::Value { .. }) if !is_explicit => missing = Some(error),
                place => places.push(place?),
            }
        }
        Ok(Self { places, is_explicit, missing, unit: None, directory: OnceLock::new() })
    }

    /// No cgroup at all: the container's processes stay where their makers are.
    pub fn nowhere() -> Self {
        Self::at(Vec::new())
    }

    /// Whether there is none, by [`Cgroup::nowhere`] or for want of rights.
    pub fn is_nowhere(&self) -> bool {
        self.places.is_empty()
    }

    /// What to keep, to find the cgroup again without looking at the machine.
    pub fn record(&self) -> Record {
        Record::write(&self.places, self.unit.as_ref())
    }

    /// Takes the cgroup from what [`Cgroup::record`] gave.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if it doesn't come from there.
    pub fn from_record(record: &Record) -> Result<Self, Error> {
        record.read().map(|(places, unit)| Self::placed(places, unit))
    }

    /// A cgroup that is there already.
    pub(crate) fn at(places: Vec<Place>) -> Self {
        Self::placed(places, None)
    }

    /// The cgroup of a unit, if there is one.
    pub(crate) fn of_unit(places: Vec<Place>, unit: Unit) -> Self {
        Self::placed(places, Some(unit))
    }

    pub(crate) fn placed(places: Vec<Place>, unit: Option<Unit>) -> Self {
        Self { places, is_explicit: true, missing: None, unit, directory: OnceLock::new() }
    }

    /// Its directories, one in each hierarchy.
    pub fn dirs(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(Place::dir)
    }

    /// The cgroup v2 directory, of which there is none with v1 alone.
    pub fn dir(&self) -> Option<&str> {
        self.unified().map(Place::dir)
    }

    /// The cgroup v2 directory as clone3(2) wants it for `CLONE_INTO_CGROUP`: `O_PATH | O_DIRECTORY`,
    /// opened once. With v1 alone there is none.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn fd(&self) -> Result<Option<BorrowedFd<'_>>, Error> {
        let Some(place) = self.unified() else { return Ok(None) };
        if let Some(fd) = self.directory.get() {
            return Ok(Some(fd.as_fd()));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(place.dir(), flags, Mode::empty())
            .map_err(|errno| Error::os("open", place.dir(), errno))?;
        Ok(Some(self.directory.get_or_init(|| fd).as_fd()))
    }

    /// The directories of its unit, one in each hierarchy, which may lie above its own; its own if it has no unit.
    pub(crate) fn unit_places(&self) -> Vec<Place> {
        match &self.unit {
            Some(unit) => self.places.iter().map(|place| unit.place(place)).collect(),
            None => self.places.clone(),
        }
    }

    /// Its directory in the v2 hierarchy.
    pub(crate) fn unified(&self) -> Option<&Place> {
        self.places.first().filter(|place| place.is_v2())
    }

    /// Its directories in the v1 hierarchies.
    pub(crate) fn legacy(&self) -> &[Place] {
        &self.places[usize::from(self.unified().is_some())..]
    }

    /// Its directory in the hierarchy of a v1 controller.
    pub(crate) fn of(&self, controller: &str) -> Option<&Place> {
        self.legacy().iter().find(|place| place.has(controller))
    }
}

fn in_unified(mount: &Mount, path: &CgroupsPath) -> Result<Place, Error> {
    let path = match path {
        CgroupsPath::Absolute(path) => path.clone(),
        CgroupsPath::Relative(path) => {
            let own = match &mount.own {
                Own::Unknown => &own_unified()?,
                known => known,
            };
            let own = below(own, mount)?;
            let parent = own.rfind('/').map_or("", |slash| &own[..slash]);
            format!("{parent}/{path}")
        }
    };
    Ok(Place::new("", &mount.point, path.trim_start_matches('/')))
}

fn in_legacy(mount: &Mount, path: &CgroupsPath) -> Result<Place, Error> {
    let path = match path {
        CgroupsPath::Absolute(path) => path.clone(),
        CgroupsPath::Relative(path) => format!("{}/{path}", below(&mount.own, mount)?),
    };
    Ok(Place::new(&mount.controllers, &mount.point, path.trim_start_matches('/')))
}

fn below<'a>(own: &'a Own, mount: &Mount) -> Result<&'a str, Error> {
    match own {
        Own::Below(path) => Ok(path.trim_end_matches('/')),
        Own::Outside(path) => Err(Error::value(
            "/linux/cgroupsPath",
            format!(
                "a relative path can't be used: the own cgroup {path} is not below {}",
                mount.point
            ),
        )),
        Own::Unknown => Err(Error::Unreadable {
            path: "/proc/self/cgroup".to_owned(),
            reason: format!("no line for {}", mount.point),
        }),
    }
}

/// With v2 alone the mount shows all that the cgroup namespace has.
fn own_unified() -> Result<Own, Error> {
    let text = own_memberships()?;
    let memberships = memberships(&text)?;
    let own = memberships.iter().find(|own| own.controllers.is_empty());
    Ok(own.map_or(Own::Unknown, |own| Own::new("/", own.path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Creation;

    fn mount(controllers: &str, point: &str, own: Own) -> Mount {
        Mount { point: point.to_owned(), controllers: controllers.to_owned(), own }
    }

    fn below(path: &str) -> Own {
        Own::Below(path.to_owned())
    }

    fn dirs(unified: Option<Mount>, legacy: Vec<Mount>, path: &str) -> Vec<String> {
        let cgroup = Cgroup::locate(&Hierarchy { unified, legacy }, path, "id").unwrap();
        cgroup.places.iter().map(|place| place.dir().to_owned()).collect()
    }

    #[test]
    fn absolute_is_below_the_mount_point() {
        let legacy = vec![mount("memory", "/cg/memory", below("/own"))];
        let unified = mount("", "/cg/unified", Own::Outside("/../x".to_owned()));
        assert_eq!(dirs(Some(unified), legacy, "/a/b"), ["/cg/unified/a/b", "/cg/memory/a/b"]);
    }

    #[test]
    fn relative_is_beside_the_own_cgroup_in_v2() {
        let at = |own| dirs(Some(mount("", "/cg", below(own))), Vec::new(), "a/b");
        assert_eq!(at("/user.slice/session.scope"), ["/cg/user.slice/a/b"]);
        assert_eq!(at("/init"), ["/cg/a/b"]);
        assert_eq!(at("/"), ["/cg/a/b"]);
    }

    #[test]
    fn relative_is_below_the_own_cgroup_in_v1() {
        let at = |own| dirs(None, vec![mount("cpu", "/cg/cpu", below(own))], "");
        assert_eq!(at("/user.slice"), ["/cg/cpu/user.slice/id"]);
        assert_eq!(at("/"), ["/cg/cpu/id"]);
    }

    #[test]
    fn relative_to_what_can_not_be_seen_is_an_error() {
        let unified = Some(mount("", "/cg", Own::Outside("/../x".to_owned())));
        let hierarchy = Hierarchy { unified, legacy: Vec::new() };
        let error = Cgroup::locate(&hierarchy, "a", "id").unwrap_err();
        let words = "the own cgroup /../x is not below /cg";
        assert!(error.to_string().contains(words), "{error}");
        // Without a path only who has the rights has to have it there.
        let mut implicit = Cgroup::locate(&hierarchy, "", "id").unwrap();
        assert_eq!(implicit.create(false), Err(error));
        assert_eq!(implicit.create(true), Ok(Creation::NoPermission));
    }

    #[test]
    fn without_hierarchies_there_is_no_place() {
        assert_eq!(dirs(None, Vec::new(), "/a"), [""; 0]);
    }
}
