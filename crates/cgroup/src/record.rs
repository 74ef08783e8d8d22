//! Where a container's cgroup is, as one line of text.
//!
//! The line is kept in the container's state and is the target of a symbolic link beside it. With cgroup v2 alone it is a
//! path that works: `/sys/fs/cgroup//name`; the two slashes, which no cleaned path has, part the mount point from the
//! path below it. Otherwise every further hierarchy follows, again after two slashes: its controllers, mount point, two
//! slashes, and the path or a dot for the same path as before:
//! `/sys/fs/cgroup/unified//a/b//memory/sys/fs/cgroup/memory//.`. `none` is a container without a cgroup.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::place::Place;

const NONE: &str = "none";
const SEPARATOR: &str = "//";
const SAME: &str = ".";

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

    pub(crate) fn write(places: &[Place]) -> Self {
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
        Self(if text.is_empty() { NONE.to_owned() } else { text })
    }

    /// # Errors
    /// [`Error::Unreadable`].
    pub(crate) fn read(&self) -> Result<Vec<Place>, Error> {
        if self.0 == NONE {
            return Ok(Vec::new());
        }
        self.parse().ok_or_else(|| Error::Unreadable {
            path: format!("the recorded cgroup {:?}", self.0),
            reason: "no runtime of this name has written it".to_owned(),
        })
    }

    fn parse(&self) -> Option<Vec<Place>> {
        let mut places: Vec<Place> = Vec::new();
        let mut parts = self.0.split(SEPARATOR);
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
}

/// Whether a relative path has nothing in it that leads elsewhere.
fn is_clean(path: &str) -> bool {
    !path.split('/').any(|part| matches!(part, "" | "." | ".."))
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
