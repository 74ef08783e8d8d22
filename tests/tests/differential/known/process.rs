//! The process itself.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Known, words};
use crate::compare::Difference;
use crate::setup::Setup;

pub(super) const KNOWN: &[Known] = &[
    Known {
        place: &["status", "SigIgn"],
        // The probe ignores SIGPIPE, as every program of Rust's standard library does.
        is: |_, difference| difference.ours == "0000000000001000",
        why: "SPECIFICATION.md, Defaults: no signal is ignored; runc 1.1 leaves signal 32 so",
    },
    Known {
        place: &["environment"],
        is: environment,
        why: "of a variable that is given twice the last one stays in its place, as in runc since 1.3; \
              runc 1.1 gives it the place of the first, and an empty HOME its old one",
    },
    Known {
        place: &["limits", "Max open files"],
        is: |_, difference| {
            let (ours, theirs) = (words(&difference.ours), words(&difference.theirs));
            ours.len() == 2 && ours[0] != ours[1] && theirs == [ours[1]; 2]
        },
        why: "the soft limit is the caller's or the configuration's; the Go runtime of runc 1.1 raises it to the hard \
              one, most of the time (runc#4195)",
    },
    Known {
        place: &["status", "Groups"],
        is: |setup, difference| {
            let groups = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let ours = groups(difference.ours.as_str().unwrap());
            let mut once = ours.clone();
            once.dedup();
            let given = setup.config["process"]["user"]["additionalGids"].as_array();
            given.is_some_and(|given| given.len() == ours.len())
                && once == groups(difference.theirs.as_str().unwrap())
        },
        why: "the list is given to setgroups(2) as it is, as in runc since 1.3; runc 1.1 leaves out repetitions",
    },
    Known {
        place: &["dev", "/dev/mqueue"],
        is: |setup, difference| {
            setup.has_namespace("user")
                && difference.ours == "folder 1777 0:0"
                && difference.theirs == "folder 1777 0:65534"
        },
        why: "SPECIFICATION.md, Defaults: the root of a new mqueue in a user namespace is that one's root's; with runc its \
              group is nobody's",
    },
    Known {
        place: &["paths", "/dev/mqueue", "is"],
        is: |setup, difference| setup.has_namespace("user") && difference.ours == "folder 1777 0:0",
        why: "the same",
    },
    Known {
        place: &["keys"],
        is: |setup, difference| {
            let user = setup.has_namespace("user");
            user && rights(&difference.ours) == "3f1b0000"
                && rights(&difference.theirs) == "3f130008"
        },
        why: "the session keyring can be searched by its owner; in a user namespace runc lets all others, not the \
              owner",
    },
];

/// The rights of the one keyring that there is.
fn rights(keys: &Value) -> &str {
    let keys = words(keys);
    let [key] = keys[..] else { return "" };
    key.split(' ').nth(1).unwrap_or_default()
}

/// The same variables in another order, where the configuration names one twice.
pub(super) fn environment(setup: &Setup, difference: &Difference) -> bool {
    let sorted = |value| {
        let mut list = words(value);
        list.sort_unstable();
        list
    };
    let mut given = words(&setup.config["process"]["env"]);
    for pair in setup.exec.iter().flat_map(|exec| exec.flags.windows(2)) {
        given.extend((pair[0] == "--env").then_some(pair[1].as_str()));
    }
    let name = |variable: &&str| variable.split('=').next().unwrap().to_owned();
    let names: BTreeSet<String> = given.iter().map(name).collect();
    let twice = names.len() < given.len() || given.contains(&"HOME=");
    twice && sorted(&difference.ours) == sorted(&difference.theirs)
}
