//! What `linux` says of files: devices, paths that are hidden or not to be written, propagation.

use serde_json::{Value, json};

use super::{Own, one_in, some};
use crate::prng::Prng;

/// Kernel files, files and folders of the image, links, and what isn't there.
const PATHS: [&str; 14] = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/sys",
    "/proc/irq",
    "/proc/sysrq-trigger",
    "/sys/firmware",
    "/file",
    "/dir",
    "/dir/inner",
    "/tmp",
    "/link-file",
    "/link-dir",
    "/nowhere",
    "/nowhere/below",
];

const PROPAGATION: [&str; 8] =
    ["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"];

pub(super) fn section(random: &mut Prng, own: &Own, linux: &mut Value) {
    if one_in(random, 2) {
        linux["maskedPaths"] = json!(some(random, 4, &PATHS));
    }
    if one_in(random, 2) {
        linux["readonlyPaths"] = json!(some(random, 4, &PATHS));
    }
    if one_in(random, 3) {
        linux["rootfsPropagation"] = json!(random.pick(&PROPAGATION));
    }
    // In a user namespace none can be made.
    if one_in(random, 2) && !own.user {
        linux["devices"] = devices(random);
    }
}

fn devices(random: &mut Prng) -> Value {
    let all = [
        json!({ "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229 }),
        json!({ "path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11 }),
        json!({ "path": "/dev/sub/folder/dev", "type": "u", "major": 300, "minor": 7 }),
        json!({ "path": "/dev/block", "type": "b", "major": 300, "minor": 7 }),
        json!({ "path": "/dev/fifo", "type": "p" }),
        json!({ "path": "/dir/zero", "type": "c", "major": 1, "minor": 5 }),
        json!({ "path": "/new/null", "type": "c", "major": 1, "minor": 3 }),
        json!({ "path": "/dev/null", "type": "c", "major": 1, "minor": 3 }),
    ];
    let mut devices = some(random, 4, &all);
    for device in &mut devices {
        if one_in(random, 2) {
            device["fileMode"] = json!(random.pick(&[0o666, 0o600, 0o777, 0o640, 0]));
        }
        if one_in(random, 3) {
            device["uid"] = json!(random.pick(&[0, 1, 1000]));
            device["gid"] = json!(random.pick(&[0, 5, 1000]));
        }
    }
    json!(devices)
}
