//! `process` and `hooks`.

use serde_json::{Map, Value, json};

use super::{Own, one_in, some};
use crate::prng::Prng;
use crate::setup::merge;

/// Capabilities that root has everywhere; a container can't get what the machine's root hasn't.
const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYS_CHROOT",
    "CAP_MKNOD",
    "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
];

/// Each with values that the probe can live with and that are below what a machine allows.
const RLIMITS: [(&str, [u64; 3]); 14] = [
    ("RLIMIT_AS", [1 << 30, 1 << 32, 1 << 40]),
    ("RLIMIT_CORE", [0, 4096, 1 << 20]),
    ("RLIMIT_CPU", [60, 61, 3600]),
    ("RLIMIT_DATA", [1 << 28, 1 << 30, 1 << 40]),
    ("RLIMIT_FSIZE", [1 << 24, 1 << 30, 1 << 40]),
    ("RLIMIT_LOCKS", [0, 7, 1 << 20]),
    ("RLIMIT_MEMLOCK", [0, 4096, 65_536]),
    ("RLIMIT_MSGQUEUE", [0, 4096, 819_200]),
    ("RLIMIT_NICE", [0, 0, 0]),
    ("RLIMIT_NOFILE", [64, 512, 1024]),
    ("RLIMIT_NPROC", [500, 1000, 10_000]),
    ("RLIMIT_RSS", [0, 1 << 20, 1 << 40]),
    ("RLIMIT_SIGPENDING", [0, 10, 1000]),
    ("RLIMIT_STACK", [1 << 20, 1 << 23, 1 << 25]),
];

pub(super) fn process(random: &mut Prng, own: &Own) -> Value {
    let mut process = json!({
        "args": random.pick(&[
            &["/bin/probe"][..],
            &["probe"],
            &["/bin/../bin/probe", "", "two words", "é\n"],
            &["bin/probe", "--", "-x"],
        ]),
        "cwd": "/",
        "env": ["PATH=/nowhere:/bin"],
    });
    if one_in(random, 2) {
        let places =
            ["/", "/tmp", "/dir", "/dir/inner", "/link-dir", "/new/place", "/dir/../tmp/."];
        process["cwd"] = json!(random.pick(&places));
        process["args"][0] = json!(random.pick(&["/bin/probe", "probe"]));
    }
    if one_in(random, 2) {
        let all = ["A=", "A=1", "A=2", "B=x=y", "HOME=/elsewhere", "HOME=", "E= é\n", "PATH=/bin"];
        let mut variables = vec!["PATH=/bin"];
        variables.extend(some(random, 3, &all));
        process["env"] = json!(variables);
    }
    if one_in(random, 2) {
        process["user"] = user(random, own);
    }
    if one_in(random, 2) {
        process["capabilities"] = capabilities(random);
    }
    if one_in(random, 2) {
        process["rlimits"] = rlimits(random);
    }
    let more = json!({
        "noNewPrivileges": true,
        "oomScoreAdj": random.pick(&[0, 1, 500, 1000]),
    });
    for (name, value) in more.as_object().unwrap() {
        if one_in(random, 3) {
            merge(&mut process, json!({ name: value }));
        }
    }
    process
}

fn user(random: &mut Prng, own: &Own) -> Value {
    // All of these are mapped in the user namespaces that are made.
    let ids = if own.user { [0, 1, 1000, 65_534] } else { [0, 1, 1000, 100_000] };
    let mut user = json!({ "uid": random.pick(&ids), "gid": random.pick(&ids) });
    if one_in(random, 2) {
        user["additionalGids"] = json!(some(random, 2, &[0, 5, 10, 1000, 1999, 5]));
    }
    if one_in(random, 2) {
        user["umask"] = json!(random.pick(&[0, 0o22, 0o27, 0o77, 0o777]));
    }
    user
}

/// Sets that fit together: what is inheritable is bounding, what is effective is permitted, what is ambient is both
/// permitted and inheritable.
fn capabilities(random: &mut Prng) -> Value {
    let bounding = some(random, 2, &CAPABILITIES);
    let permitted = if one_in(random, 2) { bounding.clone() } else { some(random, 2, &bounding) };
    let effective = if one_in(random, 2) { permitted.clone() } else { some(random, 2, &permitted) };
    let inheritable = if one_in(random, 2) { Vec::new() } else { some(random, 2, &bounding) };
    let both: Vec<_> = inheritable.iter().filter(|one| permitted.contains(one)).copied().collect();
    json!({
        "bounding": bounding,
        "permitted": permitted,
        "effective": effective,
        "inheritable": inheritable,
        "ambient": some(random, 2, &both),
    })
}

fn rlimits(random: &mut Prng) -> Value {
    let kinds = some(random, 4, &RLIMITS);
    let one = |(kind, values): (&str, [u64; 3])| {
        let mut pair = [*random.pick(&values), *random.pick(&values)];
        pair.sort_unstable();
        json!({ "type": kind, "soft": pair[0], "hard": pair[1] })
    };
    kinds.into_iter().map(one).collect()
}

/// Of every kind none to two, each of which tells what it sees. One that runs in the container's root can't reach
/// the host's log: it adds to a file there.
pub(super) fn hooks(random: &mut Prng) -> Value {
    let kinds =
        ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
    let mut hooks = Map::new();
    for kind in kinds {
        let list = (0..random.below(3)).map(|number| {
            let name = format!("{kind} {number}");
            let mut hook = match kind {
                "startContainer" => {
                    json!({ "path": "/bin/probe", "args": ["probe", "hook", name, "/tmp/hooks"] })
                }
                _ => json!({ "path": "@probe", "args": ["probe", "hook", name, "@hooks"] }),
            };
            if one_in(random, 2) {
                hook["env"] = json!(["A=b", "PATH=/x"]);
            }
            if one_in(random, 2) {
                hook["timeout"] = json!(30);
            }
            hook
        });
        hooks.insert(kind.to_owned(), list.collect());
    }
    hooks.into()
}
