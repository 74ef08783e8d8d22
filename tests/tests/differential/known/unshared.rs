//! Containers without a mount namespace.

use serde_json::{Value, json};

use super::{Known, words};
use crate::compare::Difference;
use crate::setup::Setup;

pub(super) const KNOWN: &[Known] = &[
    Known {
        place: &["refused"],
        is: |setup, difference| {
            let words = difference.words.as_deref().unwrap_or_default();
            is_unshared(setup)
                && words.ends_with("/mounts: unable to mount without a private MNT namespace")
        },
        why: "every mount would be the host's, as runc says since 1.2; runc 1.1 mounts them there",
    },
    Known {
        place: &["left", "mounts", "*"],
        is: |setup, difference| is_unshared(setup) && difference.ours == json!([]),
        why: "nothing is mounted, nor is the propagation of the host's mounts changed; runc 1.1 changes that of all, \
              and leaves the root bound on itself",
    },
    Known { place: &["mounts", "/"], is: runc_alone, why: "the same: that is the bound root" },
    Known {
        place: &["mounts", "/proc", "0", "*"],
        is: |setup, difference| {
            let of_the_bound_root = difference.ours == Value::Null && difference.theirs == "/";
            is_unshared(setup) && (of_the_bound_root || difference.theirs == json!([]))
        },
        why: "the same: the host's mount is on the bound root, and no longer shared",
    },
    Known {
        place: &["dev", "*"],
        is: runc_alone,
        why: "SPECIFICATION.md, Defaults: without a mount namespace no devices and links are made; the root would keep \
              them",
    },
    Known { place: &["root afterwards", "*"], is: runc_alone, why: "the same" },
    Known {
        place: &["paths", "/", "read"],
        is: |setup, difference| {
            let mut theirs = words(&difference.theirs);
            theirs.retain(|name| *name != "dev folder");
            is_unshared(setup) && theirs == words(&difference.ours)
        },
        why: "the same",
    },
];

fn is_unshared(setup: &Setup) -> bool {
    !setup.has_namespace("mount")
}

fn runc_alone(setup: &Setup, difference: &Difference) -> bool {
    is_unshared(setup) && difference.ours == Value::Null
}
