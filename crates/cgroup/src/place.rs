//! One hierarchy's directory of a container.

/// A directory in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// What v1 has there, such as `cpu,cpuacct` or `name=systemd`; empty for v2.
    pub(crate) controllers: String,
    /// The directory: mount point, slash, path.
    dir: String,
    /// Length of the mount point in it.
    point: usize,
    /// Made by this object, and nothing has been set in it yet.
    pub(crate) is_fresh: bool,
    /// How many directories above it this object has made too.
    pub(crate) parents_made: usize,
}

impl Place {
    /// `path` is relative to the mount point, clean and not empty.
    pub(crate) fn new(controllers: &str, point: &str, path: &str) -> Self {
        Self {
            controllers: controllers.to_owned(),
            dir: format!("{point}/{path}"),
            point: point.len(),
            is_fresh: false,
            parents_made: 0,
        }
    }

    /// The place at a clean path below it, which may be empty.
    pub(crate) fn below(&self, path: &str) -> Self {
        let slash = if path.is_empty() { "" } else { "/" };
        Self::new(&self.controllers, self.point(), &format!("{}{slash}{path}", self.path()))
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &str {
        &self.dir
    }

    /// Where its hierarchy is mounted.
    pub(crate) fn point(&self) -> &str {
        &self.dir[..self.point]
    }

    /// The way from the mount point, without a slash before it.
    pub(crate) fn path(&self) -> &str {
        &self.dir[self.point + 1..]
    }

    /// The directories above it, nearest first, down to and with the mount point.
    pub(crate) fn ancestors(&self) -> impl Iterator<Item = &str> {
        self.dir
            .rmatch_indices('/')
            .map(|(slash, _)| &self.dir[..slash])
            .take_while(|dir| dir.len() >= self.point)
    }

    /// Whether this is the v1 hierarchy of that controller.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.controllers.split(',').any(|one| one == controller)
    }

    pub(crate) fn is_v2(&self) -> bool {
        self.controllers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_end_at_the_mount_point() {
        let place = Place::new("cpu,cpuacct", "/cg/cpu", "a/b/c");
        let ancestors: Vec<&str> = place.ancestors().collect();
        assert_eq!(ancestors, ["/cg/cpu/a/b", "/cg/cpu/a", "/cg/cpu"]);
        assert_eq!(
            (place.dir(), place.point(), place.path()),
            ("/cg/cpu/a/b/c", "/cg/cpu", "a/b/c")
        );
    }

    #[test]
    fn controllers_are_whole_words() {
        let place = Place::new("cpuset,cpu", "/cg", "a");
        assert!(place.has("cpu") && place.has("cpuset") && !place.has("cpuacct") && !place.is_v2());
        assert!(Place::new("", "/cg", "a").is_v2());
    }
}
