//! `/proc/self/cgroup` as data (cgroups(7)).

use crate::Error;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Membership<'a> {
    /// Such as `cpu,cpuacct` or `name=systemd`; empty for v2.
    pub(crate) controllers: &'a str,
    /// From the root of the cgroup namespace.
    pub(crate) path: &'a str,
}

/// The lines of the file.
///
/// # Errors
/// [`Error::Unreadable`] for a line that is not as the kernel writes them.
pub(crate) fn memberships(text: &str) -> Result<Vec<Membership<'_>>, Error> {
    let parse = |line| {
        let mut fields = str::splitn(line, 3, ':').skip(1);
        Some(Membership { controllers: fields.next()?, path: fields.next()? })
    };
    text.lines()
        .map(|line| {
            parse(line).ok_or_else(|| Error::Unreadable {
                path: "/proc/self/cgroup".to_owned(),
                reason: format!("odd line {line:?}"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_have_colons() {
        assert_eq!(
            memberships("0::/a:b\n").unwrap(),
            [Membership { controllers: "", path: "/a:b" }]
        );
    }

    #[test]
    fn odd_lines_are_errors() {
        assert!(memberships("0\n").is_err());
    }
}
