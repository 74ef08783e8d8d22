//! Cgroups below a container's, which a process that is added to it may be in.

use crate::place::Place;
use crate::{Cgroup, Error};

/// Paths below a container's cgroup: one for all hierarchies, or some by their v1 controllers. None at all means
/// the container's own cgroup, or the one to which its first process has gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubCgroups {
    /// A controller, or nothing for all, and its path.
    paths: Vec<(String, String)>,
}

impl SubCgroups {
    /// Reads `PATH`, or any number of `CONTROLLER[,CONTROLLER]:PATH` (runc-exec(8), `--cgroup`).
    ///
    /// # Errors
    /// [`Error::SubCgroup`] for words that contradict each other.
    pub fn parse(words: &[impl AsRef<str>]) -> Result<Self, Error> {
        let mut paths: Vec<(String, String)> = Vec::new();
        for word in words.iter().map(AsRef::as_ref) {
            let bad =
                |why: &str| Error::SubCgroup(format!("invalid --cgroup argument: {word} ({why})"));
            let Some((controllers, path)) = word.split_once(':') else {
                if words.len() > 1 {
                    return Err(bad("missing <controller>: prefix"));
                }
                paths.extend((!word.is_empty()).then(|| (String::new(), word.to_owned())));
                continue;
            };
            for controller in controllers.split(',') {
                if controller.is_empty() {
                    return Err(bad("empty <controller> prefix"));
                }
                if paths.iter().any(|(other, _)| other == controller) {
                    return Err(Error::SubCgroup(format!(
                        "invalid --cgroup argument(s): controller {controller} specified multiple times"
                    )));
                }
                paths.push((controller.to_owned(), path.to_owned()));
            }
        }
        Ok(Self { paths })
    }

    /// One path for all hierarchies.
    pub fn of_all(path: &str) -> Self {
        Self { paths: vec![(String::new(), path.to_owned())] }
    }

    /// Whether no path is given.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}

impl Cgroup {
    /// The cgroup whose directories are those that `paths` name below this one's, and this one's own for what they
    /// don't name. Whether they are there is found when something enters them.
    ///
    /// # Errors
    /// [`Error::SubCgroup`] for a path that leads out, and for a controller that is in no v1 hierarchy of this
    /// cgroup.
    pub fn below(self, paths: &SubCgroups) -> Result<Self, Error> {
        let (own, mut places) = (self.places.first().cloned(), self.places);
        for (controller, path) in &paths.paths {
            let below = clean(path)
                .ok_or_else(|| Error::SubCgroup(format!("bad sub cgroup path: {path}")))?;
            let named = |place: &&mut Place| {
                controller.is_empty() || !place.is_v2() && place.has(controller)
            };
            let mut found = 0;
            for place in places.iter_mut().filter(named) {
                *place = place.below(&below);
                found += 1;
            }
            if found == 0 {
                let what = match controller.as_str() {
                    "" => "the container has no cgroup".to_owned(),
                    name => format!("unknown controller {name} in sub cgroup paths"),
                };
                return Err(Error::SubCgroup(what));
            }
        }
        let unit = self.unit.zip(own).zip(places.first());
        let unit = unit.and_then(|((unit, own), place)| unit.with(&own, place.path()));
        Ok(Self::placed(places, unit))
    }
}

/// The path without empty and `.` parts and with `..` taken back; none if it leads out.
fn clean(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;

    const V1: &str =
        "/cg/unified//a//memory/cg/memory//.//cpu,cpuacct/cg/cpu//.//name=systemd/cg/systemd//u/a";

    fn dirs(record: &str, words: &[&str]) -> Result<Vec<String>, String> {
        let cgroup = Cgroup::from_record(&Record::from_link_target(record)).unwrap();
        let cgroup = SubCgroups::parse(words).and_then(|paths| cgroup.below(&paths));
        cgroup
            .map(|cgroup| cgroup.dirs().map(str::to_owned).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn one_path_is_for_every_hierarchy() {
        for (word, wanted) in [
            ("", "/cg/a"),
            ("/", "/cg/a"),
            (".", "/cg/a"),
            ("b", "/cg/a/b"),
            ("/b//c/", "/cg/a/b/c"),
            ("b/../c", "/cg/a/c"),
            ("...", "/cg/a/..."),
        ] {
            assert_eq!(dirs("/cg//a", &[word]).unwrap(), [wanted], "{word}");
        }
        let all = ["/cg/unified/a/s", "/cg/memory/a/s", "/cg/cpu/a/s", "/cg/systemd/u/a/s"];
        assert_eq!(dirs(V1, &["s"]).unwrap(), all);
        assert_eq!(dirs("/cg//a", &[]).unwrap(), ["/cg/a"]);
    }

    #[test]
    fn a_path_is_for_its_controllers() {
        let wanted = ["/cg/unified/a", "/cg/memory/a/m", "/cg/cpu/a/c", "/cg/systemd/u/a"];
        assert_eq!(dirs(V1, &["memory:m", "cpu:/c"]).unwrap(), wanted);
        let wanted = ["/cg/unified/a", "/cg/memory/a/x", "/cg/cpu/a", "/cg/systemd/u/a/x"];
        assert_eq!(dirs(V1, &["memory,name=systemd:x", "cpu:/"]).unwrap(), wanted);
    }

    #[test]
    fn what_can_not_be_meant() {
        for (record, words, message) in [
            ("/cg//a", &[".."][..], "bad sub cgroup path: .."),
            ("/cg//a", &["b/../../a"], "bad sub cgroup path: b/../../a"),
            (V1, &["memory:/.."], "bad sub cgroup path: /.."),
            ("/cg//a", &["memory:x"], "unknown controller memory in sub cgroup paths"),
            (V1, &["whaaat:/"], "unknown controller whaaat in sub cgroup paths"),
            ("none", &["x"], "the container has no cgroup"),
            (V1, &["a", "b"], "invalid --cgroup argument: a (missing <controller>: prefix)"),
            (V1, &["memory:a", "b"], "invalid --cgroup argument: b (missing <controller>: prefix)"),
            (V1, &[":a"], "invalid --cgroup argument: :a (empty <controller> prefix)"),
            (
                V1,
                &["memory,:a"],
                "invalid --cgroup argument: memory,:a (empty <controller> prefix)",
            ),
            (
                V1,
                &["memory:a", "cpu,memory:b"],
                "invalid --cgroup argument(s): controller memory specified multiple times",
            ),
        ] {
            assert_eq!(dirs(record, words).unwrap_err(), message, "{words:?}");
        }
    }
}
