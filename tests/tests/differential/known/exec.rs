//! What is executed in a container.

use serde_json::json;

use super::{Known, words};

pub(super) const KNOWN: &[Known] = &[
    Known {
        place: &["status", "Umask"],
        is: |setup, difference| {
            let Some(exec) = &setup.exec else { return false };
            let file = exec.process.as_ref().map(|process| &process["user"]["umask"]);
            let said = file.filter(|mask| !mask.is_null());
            let mask = said.unwrap_or(&setup.config["process"]["user"]["umask"]).as_u64();
            difference.ours == json!(format!("{:04o}", mask.unwrap_or(0o22)))
                && difference.theirs == "0022"
        },
        why: "the umask of the container's process, as in runc since 1.2, or the one that the process has in its file; \
              runc 1.1 leaves that of the caller",
    },
    Known {
        place: &["process", "oom_score_adj"],
        is: |setup, difference| {
            let process = setup.exec.as_ref().and_then(|exec| exec.process.as_ref());
            let asked = process.and_then(|process| process["oomScoreAdj"].as_i64());
            asked.is_some_and(|asked| difference.ours == json!(asked.to_string()))
        },
        why: "config.md, Linux Process: oomScoreAdj is set; runc passes over that of a file",
    },
    Known {
        place: &["limits", "*"],
        is: |setup, difference| {
            let process = setup.exec.as_ref().and_then(|exec| exec.process.as_ref());
            process.is_some_and(|process| process["rlimits"].is_null())
                && is_limit_of(&setup.config["process"]["rlimits"], &difference.ours)
        },
        why: "SPECIFICATION.md, Defaults: limits that a file doesn't speak of are the container's; with runc the caller's",
    },
    Known {
        place: &["limits", "Max open files"],
        is: |setup, difference| {
            let (ours, theirs) = (words(&difference.ours), words(&difference.theirs));
            setup.exec.is_some()
                && theirs == [ours[1]; 2]
                && is_limit_of(&setup.config["process"]["rlimits"], &difference.ours)
        },
        why: "the soft limit is the one that is asked for; the language runtime of runc before 1.1.12 can raise it to \
              the hard one at the same moment (runc#4195)",
    },
    Known {
        place: &["keys"],
        is: |setup, difference| {
            let ours = words(&difference.ours);
            let [key] = ours[..] else { return false };
            let made = |key: &&str| key.starts_with("I--Q--- 3f130000 ");
            setup.exec.is_some()
                && setup.has_namespace("user")
                && key.starts_with("I--Q--- 3f1b0000 ")
                && words(&difference.theirs).iter().any(made)
        },
        why: "the process joins the container's session keyring; with runc its owner can't search it in a user \
              namespace, and gets one more of the same name",
    },
];

/// Whether one of the limits that are asked for has these values.
fn is_limit_of(asked: &serde_json::Value, values: &serde_json::Value) -> bool {
    let is = |limit: &serde_json::Value| {
        *values == json!([limit["soft"].to_string(), limit["hard"].to_string()])
    };
    asked.as_array().into_iter().flatten().any(is)
}
