//! Cgroups, and what is left of a container.

use serde_json::{Value, json};

use super::{Known, words};
use crate::compare::Difference;

pub(super) const KNOWN: &[Known] = &[
    Known {
        place: &["left", "cgroups"],
        is: |_, difference| difference.ours == json!([]),
        why: "SPECIFICATION.md, State: what coble has made for a cgroupsPath goes with the container; runc leaves \
              the upper ones",
    },
    Known {
        place: &["limits of cgroups", "unified", "*"],
        is: |setup, difference| {
            let file = difference.place[2].as_str();
            !setup.unified && file.starts_with("hugetlb.") && difference.theirs == Value::Null
        },
        why: "in a hybrid layout coble has the controllers of cgroup v2 as well",
    },
    Known {
        place: &["limits of cgroups", "unified", "*"],
        is: |setup, difference| {
            let limits = setup.config["linux"]["resources"]["hugepageLimits"].as_array();
            let set = |limit: &Value| difference.ours == json!([limit["limit"].to_string()]);
            difference.place[2].ends_with(".rsvd.max") && limits.into_iter().flatten().any(set)
        },
        why: "what is reserved has the limit as well, as in runc since 1.1.10 (runc#4073)",
    },
    Known {
        place: &["mounts", "/sys/fs/cgroup", "0", "flags"],
        is: |setup, difference| {
            let mut theirs = words(&difference.theirs);
            theirs[0] = "ro";
            !setup.unified && theirs == words(&difference.ours)
        },
        why: "config.md, Mounts: ro is asked for; runc leaves the folder of the hierarchies writable",
    },
    Known {
        place: &["paths", "/sys/fs/cgroup", "written"],
        is: |setup, difference| !setup.unified && difference.ours == "error: EROFS",
        why: "the same",
    },
    Known {
        place: &["mounts", "/sys/fs/cgroup/unified"],
        is: |setup, difference| {
            let ours = &difference.ours[0];
            !setup.unified && difference.theirs == Value::Null && ours["type"] == "cgroup2"
        },
        why: "in a hybrid layout the container sees its cgroup of v2 as well",
    },
    Known {
        place: &["mounts", "/sys/fs/cgroup/systemd", "0", "source"],
        is: |_, difference| difference.ours == "cgroup" && difference.theirs == "systemd",
        why: "the source of a virtual file system is a mere word",
    },
    Known {
        place: &["mounts", "/sys/fs/cgroup", "0", "source"],
        is: |setup, difference| {
            setup.unified && !setup.has_namespace("cgroup") && difference.theirs == "cgroup"
        },
        why: "SPECIFICATION.md, Defaults: without a cgroup namespace the host's mount is bound; runc mounts anew",
    },
    Known {
        place: &["mounts", "*", "0", "propagation"],
        is: |_, difference| {
            let slave = |word: &&str| word.starts_with("master: the host's /sys/fs/cgroup");
            let ours = words(&difference.ours);
            difference.place[1].starts_with("/sys/fs/cgroup") && ours.iter().all(slave)
        },
        why: "SPECIFICATION.md, Defaults: the host's cgroup mounts are bound as slaves; runc mounts anew in a cgroup \
              namespace, and without one binds peers if linux.rootfsPropagation is not recursive",
    },
    Known {
        place: &["paths", "/sys/fs/cgroup", "is"],
        is: |setup, difference| {
            let modes = (difference.ours.as_str(), difference.theirs.as_str());
            !setup.unified && modes == (Some("folder 0755 0:0"), Some("folder 0555 0:0"))
        },
        why: "the folder of the hierarchies has the mode 0755, as runc asks for it, too (runc#3911)",
    },
    Known {
        place: &["limits of cgroups", "pids", "pids.max"],
        is: |setup, difference| {
            let asked = &setup.config["linux"]["resources"]["pids"]["limit"];
            *asked == 0 && difference.ours == json!(["1"]) && difference.theirs == json!(["max"])
        },
        why: "a limit of 0 is one, as in runc since 1.4",
    },
    Known {
        place: &["refused"],
        is: |setup, difference| {
            let asked = &setup.config["linux"]["resources"]["pids"]["limit"];
            let words = difference.words.as_deref().unwrap_or_default();
            *asked == 0 && words.ends_with("clone: resource temporarily unavailable")
        },
        why: "the same: there is no room for a hook",
    },
    Known {
        place: &["refused"],
        is: |setup, difference| {
            let devices = setup.config["linux"]["devices"].as_array();
            let null = devices.into_iter().flatten().any(|device| device["path"] == "/dev/null");
            null && says(difference, "reopening /dev/null inside container")
        },
        why: "SPECIFICATION.md, Defaults: the default devices are allowed, whoever names them",
    },
    Known {
        place: &["refused"],
        is: |setup, difference| setup.unified && says(difference, "cannot punch hole"),
        why: "a program of cgroup v2 can take a device out of a rule for many; runc refuses it as with v1",
    },
    Known {
        place: &["refused"],
        is: |setup, difference| {
            let asked = setup.config["linux"]["rootfsPropagation"].as_str().unwrap_or_default();
            asked.ends_with("unbindable") && says(difference, "error preparing rootfs: mount CASE")
        },
        why: "config-linux.md, Rootfs Mount Propagation; runc before 1.3.1 can't bind the root any more",
    },
];

/// Whether runc alone refused, in these words.
fn says(difference: &Difference, words: &str) -> bool {
    difference.ours == false && difference.words.as_ref().is_some_and(|said| said.contains(words))
}
