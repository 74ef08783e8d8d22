//! What hooks see.

use serde_json::json;

use super::Known;

pub(super) const KNOWN: &[Known] = &[
    Known {
        place: &["hooks", "*", "state", "ociVersion"],
        is: |_, difference| difference.ours == "1.3.0" && difference.theirs == "1.0.2-dev",
        why: "each tells the version of the specification that it follows",
    },
    Known {
        place: &["hooks inside", "*", "state", "ociVersion"],
        is: |_, difference| difference.ours == "1.3.0" && difference.theirs == "1.0.2-dev",
        why: "each tells the version of the specification that it follows",
    },
    Known {
        place: &["hooks", "*", "status", "SigIgn"],
        is: |_, difference| difference.ours == "0000000000001000",
        why: "SPECIFICATION.md, Defaults: no signal is ignored, whatever the caller has",
    },
    Known {
        place: &["hooks inside", "*", "status", "SigIgn"],
        is: |_, difference| difference.ours == "0000000000001000",
        why: "SPECIFICATION.md, Defaults: no signal is ignored, whatever the caller has",
    },
    Known {
        place: &["hooks", "*", "environment"],
        is: |_, difference| difference.ours == json!([]),
        why: "config.md, POSIX-platform Hooks: env is that of execle(3), none if it is missing; runc hands on \
              its own",
    },
    Known {
        place: &["hooks", "*", "state", "status"],
        is: |_, difference| difference.ours == "running" && difference.theirs == "created",
        why: "lifecycle of runtime.md: poststart hooks come after the program has started; runc before 1.6 runs \
              them before",
    },
    Known {
        place: &["hooks", "*", "directory"],
        is: |_, difference| {
            difference.ours.as_str().unwrap().ends_with("/bundle") && difference.theirs == "/"
        },
        why: "every hook runs in the bundle, as in runc since 1.2; poststop hooks of runc 1.1 where delete was called",
    },
    Known {
        place: &["hooks inside", "*", "status", "Groups"],
        is: |setup, _| {
            let given = setup.config["process"]["user"]["additionalGids"].as_array();
            given.is_some_and(|given| given.iter().filter(|gid| **gid == 5).count() > 1)
        },
        why: "the list is given to setgroups(2) as it is; runc 1.1 leaves out repetitions",
    },
    Known {
        place: &["hooks inside", "*", "environment"],
        is: super::process::environment,
        why: "as that of the process",
    },
];
