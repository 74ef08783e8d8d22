//! A container's unit: its name and place, from `cgroupsPath` as `slice:prefix:name`.

use crate::Error;
use crate::place::Place;

pub(crate) const POINTER: &str = "/linux/cgroupsPath";
const SLICE: &str = ".slice";
const SCOPE: &str = ".scope";
/// The root of all slices.
const ROOT: &str = "-.slice";
/// `UNIT_NAME_MAX` with its zero byte (systemd.unit(5): 255 characters).
const LONGEST: usize = 255;
/// What a unit without a prefix of its own begins with.
const PREFIX: &str = "coble";

/// Which systemd has the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    /// Process 1.
    System,
    /// That of the user whose process this is.
    User,
}

impl Manager {
    /// Its word in a record.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::System, Self::User].into_iter().find(|manager| manager.name() == name)
    }
}

/// A unit of systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) manager: Manager,
    /// With its ending, `.scope` or `.slice`.
    pub(crate) name: String,
    /// Where below the unit's cgroup the container's is, a clean path; empty if it is the very one.
    pub(crate) below: String,
}

/// Where a unit is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) unit: Unit,
    /// Its cgroup below that of the manager.
    pub(crate) path: String,
}

impl Unit {
    /// The unit of the container whose cgroup has this path, `depth` below that of the unit; `None` if that is the
    /// cgroup of no scope and no slice.
    pub(crate) fn at(manager: Manager, path: &str, depth: usize) -> Option<Self> {
        let mut own = path;
        for _ in 0..depth {
            own = own.rsplit_once('/')?.0;
        }
        let name = own.rsplit('/').next()?;
        let is_unit = name.ends_with(SCOPE) || name.ends_with(SLICE);
        let below = path[own.len()..].trim_start_matches('/').to_owned();
        is_unit.then(|| Self { manager, name: name.to_owned(), below })
    }

    /// The same unit for a cgroup at another path, if that is below the unit's own.
    pub(crate) fn with(mut self, own: &Place, path: &str) -> Option<Self> {
        let below = path.strip_prefix(self.place(own).path())?;
        self.below = below.trim_start_matches('/').to_owned();
        Some(self)
    }

    /// How many directories below the unit's cgroup the container's is.
    pub(crate) fn depth(&self) -> usize {
        self.below.split('/').filter(|part| !part.is_empty()).count()
    }

    /// The directory of the unit where this one is the container's.
    pub(crate) fn place(&self, place: &Place) -> Place {
        let path = place.path().strip_suffix(&self.below).unwrap_or(place.path());
        Place::new(&place.controllers, place.point(), path.trim_end_matches('/'))
    }

    /// Whether systemd takes processes into it by itself.
    pub(crate) fn is_scope(&self) -> bool {
        self.name.ends_with(SCOPE)
    }
}

impl Location {
    /// Reads `slice:prefix:name`; the container's id stands in for an empty text.
    ///
    /// # Errors
    /// [`Error::Value`] for another form, a slice that is none, or a name that no unit can have.
    pub(crate) fn parse(
        configured: &str,
        id: &str,
        manager: Manager,
        default_slice: &str,
    ) -> Result<Self, Error> {
        let default = format!(":{PREFIX}:{id}");
        let text = if configured.is_empty() { &default } else { configured };
        let &[slice, prefix, name] = text.split(':').collect::<Vec<_>>().as_slice() else {
            return Err(Error::value(
                POINTER,
                format!(
                    "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \
                     {text:?} instead"
                ),
            ));
        };
        let at = |name, path: &str| Self {
            unit: Unit { manager, name, below: String::new() },
            path: path.trim_start_matches('/').to_owned(),
        };
        if name.ends_with(SLICE) {
            return of_slice(name, slice).map(|path| at(name.to_owned(), &path));
        }
        let slice = match slice {
            "" => default_slice,
            // systemd.special(7): the root slice.
            "-" => ROOT,
            slice => slice,
        };
        let name = checked(format!("{prefix}-{name}{SCOPE}"))?;
        let path = format!("{}/{name}", expand(slice)?);
        Ok(at(name, &path))
    }
}

/// The slice in which the unit with this cgroup lies.
pub(crate) fn slice_of(path: &str) -> &str {
    path.rsplit('/').nth(1).filter(|parent| parent.ends_with(SLICE)).unwrap_or(ROOT)
}

/// The path of a slice: its name says where it lies, so another place can't be asked for.
fn of_slice(name: &str, asked: &str) -> Result<String, Error> {
    let path = expand(&checked(name.to_owned())?)?;
    if path.is_empty() {
        return Err(Error::value(POINTER, "the root slice is no container's own"));
    }
    let parent = slice_of(&path);
    let asked = if asked == "-" { ROOT } else { asked };
    if !asked.is_empty() && asked != parent {
        let reason = format!("the slice {name:?} lies in {parent:?}, not in {asked:?}");
        return Err(Error::value(POINTER, reason));
    }
    Ok(path)
}

/// The path of a slice: `a-b.slice` lies in `a.slice` (systemd.slice(5)).
fn expand(slice: &str) -> Result<String, Error> {
    let invalid = || Error::value(POINTER, format!("invalid slice name: {slice:?}"));
    let stem = slice.strip_suffix(SLICE).ok_or_else(invalid)?;
    let (mut path, mut prefix) = (String::new(), String::new());
    if stem == "-" {
        return Ok(path);
    }
    for part in stem.split('-') {
        if part.is_empty() || part.contains('/') {
            return Err(invalid());
        }
        prefix.push_str(part);
        path.push('/');
        path.push_str(&prefix);
        path.push_str(SLICE);
        prefix.push('-');
    }
    checked(slice.to_owned()).map(|_| path)
}

/// The letters of a unit's name (systemd.unit(5)).
fn checked(name: String) -> Result<String, Error> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    if name.len() > LONGEST || !name.bytes().all(allowed) {
        return Err(Error::value(POINTER, format!("{name:?} can't be the name of a systemd unit")));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Result<(String, String, String), String> {
        Location::parse(path, "id", Manager::System, "system.slice")
            .map(|found| (found.unit.name, slice_of(&found.path).to_owned(), found.path))
            .map_err(|error| error.to_string())
    }

    fn found(path: &str, name: &str, slice: &str, cgroup: &str) {
        let expected = (name.to_owned(), slice.to_owned(), cgroup.to_owned());
        assert_eq!(parse(path), Ok(expected), "{path}");
    }

    #[test]
    fn a_path_names_a_scope_in_a_slice() {
        found("", "coble-id.scope", "system.slice", "system.slice/coble-id.scope");
        found("::x", "-x.scope", "system.slice", "system.slice/-x.scope");
        found("a.slice:docker:7", "docker-7.scope", "a.slice", "a.slice/docker-7.scope");
        found("a-b.slice:p:n", "p-n.scope", "a-b.slice", "a.slice/a-b.slice/p-n.scope");
        found("-:p:n", "p-n.scope", "-.slice", "p-n.scope");
    }

    #[test]
    fn a_slice_says_itself_where_it_lies() {
        found("::a-b.slice", "a-b.slice", "a.slice", "a.slice/a-b.slice");
        found("a.slice:ignored:a-b.slice", "a-b.slice", "a.slice", "a.slice/a-b.slice");
        found("-::a.slice", "a.slice", "-.slice", "a.slice");
        assert!(parse("c.slice::a-b.slice").unwrap_err().contains("lies in \"a.slice\", not in"));
        assert!(parse("::-.slice").unwrap_err().contains("root slice"));
    }

    #[test]
    fn the_cgroup_of_a_unit_is_found_from_one_below() {
        let path = "system.slice/coble-a.scope/b/c";
        let unit = Unit::at(Manager::System, path, 2).unwrap();
        assert_eq!(
            (unit.name.as_str(), unit.below.as_str(), unit.depth()),
            ("coble-a.scope", "b/c", 2)
        );
        let place = unit.place(&Place::new("", "/cg", path));
        assert_eq!(place.dir(), "/cg/system.slice/coble-a.scope");
        let unit = Unit::at(Manager::System, "system.slice/coble-a.scope", 0).unwrap();
        assert_eq!((unit.below.as_str(), unit.depth()), ("", 0));
        for depth in [0, 1, 4, 5] {
            assert_eq!(Unit::at(Manager::System, path, depth), None, "{depth}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for path in ["/a/b", "a", "a:b", "a:b:c:d"] {
            let words = "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got";
            assert!(parse(path).unwrap_err().contains(words), "{path}");
        }
    }

    #[test]
    fn names_that_no_unit_has_are_refused() {
        for path in ["a:p:n", "a--b.slice:p:n", "-a.slice:p:n", ".slice:p:n", "x/y.slice:p:n"] {
            assert!(parse(path).unwrap_err().contains("invalid slice name"), "{path}");
        }
        let long = format!(":p:{}", "x".repeat(250));
        for path in [":p:a b", ":p:a+b", ":p:a/b", ":p:\u{e4}", long.as_str()] {
            assert!(parse(path).unwrap_err().contains("can't be the name"), "{path}");
        }
    }
}
