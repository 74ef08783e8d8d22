//! `linux.cgroupsPath` (config-linux.md, "Cgroups Path").

use crate::Error;

const POINTER: &str = "/linux/cgroupsPath";

/// Where a container's cgroup is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CgroupsPath {
    /// Below the mount point; begins with a slash.
    Absolute(String),
    /// Below what the runtime itself is in; has no slash at its ends.
    Relative(String),
}

impl CgroupsPath {
    /// Reads the configured path; the container's id stands in for an empty one.
    ///
    /// # Errors
    /// [`Error::Value`] for a path with `..`, a newline or a zero byte, and for one that names no cgroup below the
    /// mount point.
    pub(crate) fn parse(configured: &str, id: &str) -> Result<Self, Error> {
        let path = if configured.is_empty() { id } else { configured };
        let parts: Vec<&str> =
            path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") {
            return Err(Error::value(POINTER, format!("{path:?} has a `..` in it")));
        }
        if path.contains(['\n', '\0']) {
            return Err(Error::value(POINTER, format!("{path:?} can't be the name of a cgroup")));
        }
        if parts.is_empty() {
            return Err(Error::value(POINTER, format!("{path:?} names no cgroup of its own")));
        }
        let path = parts.join("/");
        Ok(if configured.starts_with('/') {
            Self::Absolute(format!("/{path}"))
        } else {
            Self::Relative(path)
        })
    }
}
