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
    /// [`Error::Value`] for a path with `..`, a newline or a zero byte, and for one that names no cgroup
    /// below the mount point.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Result<CgroupsPath, String> {
        CgroupsPath::parse(path, "id").map_err(|error| error.to_string())
    }

    #[test]
    fn the_id_stands_in_for_nothing() {
        assert_eq!(parse(""), Ok(CgroupsPath::Relative("id".to_owned())));
    }

    #[test]
    fn paths_are_cleaned() {
        assert_eq!(parse("/a//b/./c/"), Ok(CgroupsPath::Absolute("/a/b/c".to_owned())));
        assert_eq!(parse("./a/b"), Ok(CgroupsPath::Relative("a/b".to_owned())));
        assert_eq!(parse("a..b/..."), Ok(CgroupsPath::Relative("a..b/...".to_owned())));
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for path in ["..", "/..", "a/../b", "/a/..", "../../x"] {
            let message = parse(path).unwrap_err();
            assert!(message.starts_with("/linux/cgroupsPath: "), "{message}");
            assert!(message.contains("`..`"), "{message}");
        }
    }

    #[test]
    fn the_root_is_nobodys_own() {
        for path in ["/", "//", ".", "/."] {
            assert!(parse(path).unwrap_err().contains("names no cgroup of its own"), "{path}");
        }
    }

    #[test]
    fn names_that_the_kernel_refuses_are_refused() {
        assert!(parse("/a\nb").is_err());
        assert!(parse("/a\0b").is_err());
    }
}
