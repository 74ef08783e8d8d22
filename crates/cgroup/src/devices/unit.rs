//! Device rules as systemd has them: a list of what is allowed, and nothing else (systemd.resource-control(5)).
//!
//! systemd attaches a program of its own, and does so again at every reload. Every program has to agree, so its list is
//! never shorter than the container's rules; where it can't be as exact, it is longer. The exact rules are enforced by
//! our own program, which systemd leaves alone, or by the lists of v1.

use super::exceptions::{Exceptions, letters};
use super::policy::Policy;
use super::rule::Kind;

/// A device, or a set of them, as `DeviceAllow` names it, and the letters of what is allowed.
pub(crate) type Allowed = (String, String);

/// What is allowed; `None` if it is everything.
pub(super) fn allowed(policy: &Policy) -> Option<Vec<Allowed>> {
    if policy.default_allow {
        return None;
    }
    let table = match Exceptions::new(policy) {
        Ok(exact) => exact.table,
        // Denials that a list can't express are left out.
        Err(_) => Exceptions::allowances(policy),
    };
    let mut list: Vec<Allowed> = Vec::new();
    for ((kind, major, minor), access) in table {
        let kind = match kind {
            Kind::Block => "block",
            Kind::Char => "char",
        };
        let devices = match (major, minor) {
            (Some(major), Some(minor)) => format!("/dev/{kind}/{major}:{minor}"),
            // A number in the place of a driver's name: since version 240.
            (Some(major), None) => format!("{kind}-{major}"),
            // One minor number of every driver can't be said.
            (None, _) => format!("{kind}-*"),
        };
        list.push((devices, letters(access)));
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::super::rule::{ALL, MKNOD, READ, Rule};
    use super::*;

    fn rule(allow: bool, kind: Kind, major: Option<u32>, minor: Option<u32>, access: u8) -> Rule {
        Rule { allow, kind: Some(kind), major, minor, access }
    }

    fn shown(rules: Vec<Rule>) -> Option<Vec<String>> {
        let list = allowed(&Policy::new(rules))?;
        Some(list.into_iter().map(|(devices, access)| format!("{devices} {access}")).collect())
    }

    #[test]
    fn a_list_of_what_is_allowed() {
        let rules = vec![
            rule(true, Kind::Char, None, None, MKNOD),
            rule(true, Kind::Char, Some(1), Some(3), ALL),
            rule(true, Kind::Char, Some(136), None, ALL),
            rule(true, Kind::Block, Some(8), Some(0), READ),
            rule(true, Kind::Block, None, Some(5), READ),
        ];
        let expected =
            ["block-* r", "/dev/block/8:0 r", "char-* m", "/dev/char/1:3 rwm", "char-136 rwm"];
        assert_eq!(shown(rules).unwrap(), expected);
        assert_eq!(shown(Vec::new()), Some(Vec::new()));
    }

    #[test]
    fn everything_has_no_list() {
        let all = Rule { allow: true, kind: None, major: None, minor: None, access: ALL };
        assert_eq!(shown(vec![all]), None);
        assert_eq!(shown(vec![all, rule(false, Kind::Char, Some(1), Some(1), ALL)]), None);
    }

    #[test]
    fn what_a_list_can_not_say_makes_it_longer() {
        let rules = vec![
            rule(true, Kind::Char, Some(1), None, ALL),
            rule(false, Kind::Char, Some(1), Some(3), ALL),
        ];
        assert_eq!(shown(rules).unwrap(), ["char-1 rwm"]);
        let exact = vec![
            rule(true, Kind::Char, Some(1), Some(3), ALL),
            rule(false, Kind::Char, Some(1), Some(3), MKNOD),
        ];
        assert_eq!(shown(exact).unwrap(), ["/dev/char/1:3 rw"]);
    }
}
