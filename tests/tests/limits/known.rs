//! Differences that are meant.
//!
//! Each is as narrow as it can be: whose, which files, and a look at the two values or at the section.

use serde_json::Value;

use crate::compare::Difference;
use crate::peers::Runtime;

/// A difference that is meant.
struct Known {
    /// With whom.
    peers: &'static [Runtime],
    /// Whether these two values are the meant ones.
    is: fn(&Value, &Difference) -> bool,
    /// Why, and who says so.
    why: &'static str,
}

const BOTH: &[Runtime] = &Runtime::PEERS;
const CRUN: &[Runtime] = &[Runtime::Crun];
const RUNC: &[Runtime] = &[Runtime::Runc];

const KNOWN: &[Known] = &[
    Known {
        peers: BOTH,
        is: |resources, difference| {
            resources["pids"]["limit"] == 0
                && difference.file() == "pids.max"
                && values(difference) == ("1", "max")
        },
        why: "config-linux.md, PIDs: 0 is a limit; so with runc since 1.4.0",
    },
    Known {
        peers: BOTH,
        is: |resources, difference| {
            let shares = resources["cpu"]["shares"].as_u64().unwrap_or_default();
            let (ours, theirs) = values(difference);
            difference.file() == "cpu.weight"
                && theirs == (1 + (shares.saturating_sub(2)) * 9999 / 262_142).to_string()
                && ours == weight(shares).to_string()
        },
        why: "1024 shares are a weight of 100, as with runc since 1.3.2 and crun since 1.23; it was a straight line",
    },
    Known {
        peers: RUNC,
        is: |resources, difference| {
            let idle = &resources["cpu"]["idle"];
            let (ours, theirs) = values(difference);
            *idle == 1
                && match difference.file() {
                    "cpu.idle" => (ours, theirs) == ("1", "0"),
                    // What an idle cgroup counts as; with v2 it depends on the kernel.
                    "cpu.shares" => ours == "3",
                    "cpu.weight" => ours == "0" || ours == "1",
                    _ => false,
                }
        },
        why: "runc 1.1 has no cpu.idle",
    },
    Known {
        peers: RUNC,
        is: |resources, difference| {
            let burst = resources["cpu"]["burst"].to_string();
            matches!(difference.file(), "cpu.cfs_burst_us" | "cpu.max.burst")
                && values(difference) == (burst.as_str(), "0")
        },
        why: "runc 1.1 has no burst",
    },
    Known {
        peers: RUNC,
        is: |resources, difference| {
            let limit = resources["memory"]["kernelTCP"].as_i64().unwrap_or(-1);
            difference.file() == "memory.kmem.tcp.limit_in_bytes"
                && difference.ours.as_deref() == Some(limit.to_string().as_str())
        },
        why: "SPECIFICATION.md, Command line: limits of kernel memory are set; runc ignores them",
    },
    Known {
        peers: CRUN,
        is: |resources, difference| {
            let limits = resources["hugepageLimits"].as_array().into_iter().flatten();
            let size = difference.file().strip_prefix("hugetlb.").unwrap_or_default();
            let size = size.split_once(".rsvd.").map(|(size, _)| size);
            // The kernel rounds down to pages.
            let is_set = |limit: &Value| {
                let asked = limit["limit"].as_u64();
                let ours = difference.ours.as_deref().and_then(|ours| ours.parse().ok());
                limit["pageSize"].as_str() == size && ours <= asked && ours.is_some()
            };
            size.is_some() && limits.into_iter().any(is_set)
        },
        why: "config-linux.md, Huge page limits: what is reserved is limited; crun 1.21 limits what is used alone",
    },
    Known {
        peers: CRUN,
        is: |resources, difference| {
            let memory = &resources["memory"];
            memory["checkBeforeUpdate"] == true
                && memory["limit"] == -1
                && refuses(difference, "cannot set the memory limit lower than its current usage")
        },
        why: "config-linux.md, Memory: -1 is unlimited; crun 1.21 takes it for less than what is in use",
    },
    Known {
        peers: RUNC,
        is: |resources, difference| {
            let lines = resources["unified"]["io.max"].as_str().unwrap_or_default();
            lines.contains('\n') && refuses(difference, "unable to set unified resource")
        },
        why: "config-linux.md, Unified: its own example has two lines; runc 1.1 writes both at once",
    },
    Known {
        peers: CRUN,
        is: |resources, difference| {
            resources["devices"].is_null()
                && difference.file() == "devices.list"
                && difference.theirs.as_deref() == Some("a *:* rwm")
        },
        why: "SPECIFICATION.md, Defaults: without rules there are the default devices; crun allows all then",
    },
    Known {
        peers: CRUN,
        is: |_, difference| {
            let theirs = difference.theirs.as_deref().unwrap_or_default();
            let without: Vec<&str> = theirs.lines().filter(|line| *line != "c 5:1 rwm").collect();
            difference.file() == "devices.list"
                && difference.ours.as_deref() == Some(without.join("\n").as_str())
        },
        why: "crun allows the machine's console to every container; runc and coble don't",
    },
    Known {
        peers: CRUN,
        is: |_, difference| {
            difference.place == "device console"
                && values(difference) == ("r:denied w:denied", "r:allowed w:allowed")
        },
        why: "the same",
    },
];

/// coble's and the other one's, empty for none.
fn values(difference: &Difference) -> (&str, &str) {
    let Difference { ours, theirs, .. } = difference;
    (ours.as_deref().unwrap_or_default(), theirs.as_deref().unwrap_or_default())
}

/// Whether the other one alone refused, in these words.
fn refuses(difference: &Difference, words: &str) -> bool {
    let theirs = difference.theirs.as_deref().unwrap_or_default();
    difference.place == "refused" && difference.ours.is_none() && theirs.contains(words)
}

/// The curve through the least, the usual and the greatest number of shares.
fn weight(shares: u64) -> u64 {
    let log = (shares as f64).log2();
    let weight = 10_f64.powf((log * log + 125.0 * log) / 612.0 - 7.0 / 34.0).ceil();
    weight.clamp(1.0, 10_000.0) as u64
}

/// Why a difference is meant.
pub(crate) fn reason(resources: &Value, difference: &Difference) -> Option<&'static str> {
    let is = |known: &&Known| {
        known.peers.contains(&difference.peer) && (known.is)(resources, difference)
    };
    KNOWN.iter().find(is).map(|known| known.why)
}
