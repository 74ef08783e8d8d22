//! Random configurations that are right.
//!
//! A seed gives the same configuration on every machine. What is at the edge (an empty list, a path that isn't
//! there, a number that is the least) is chosen as often as the usual.

mod cgroup;
mod files;
mod mounts;
mod process;

use serde_json::{Value, json};

use crate::prng::Prng;
use crate::setup::{Setup, merge};

/// Which namespaces of its own the container has; every section asks before it makes use of one.
struct Own {
    network: bool,
    ipc: bool,
    uts: bool,
    pid: bool,
    user: bool,
    cgroup: bool,
}

/// The configuration of a seed.
pub(crate) fn setup(seed: u64) -> Setup {
    let random = &mut Prng(seed);
    let mut setup = Setup::least();
    setup.unified = one_in(random, 3);
    let own = Own {
        network: !one_in(random, 4),
        ipc: !one_in(random, 4),
        uts: !one_in(random, 4),
        pid: !one_in(random, 5),
        user: one_in(random, 4),
        cgroup: one_in(random, 2),
    };
    namespaces(random, &own, &mut setup);
    let mut config = json!({ "process": process::process(random, &own) });
    if one_in(random, 3) {
        config["annotations"] = json!({ "org.example.a": "b", "": "", "x": "\"\n" });
    }
    if own.uts && one_in(random, 2) {
        config["hostname"] = json!(random.pick(&["box", "a.b-c", "x"]));
    }
    if one_in(random, 3) {
        config["hooks"] = process::hooks(random);
    }
    config["linux"]["sysctl"] = sysctl(random, &own);
    cgroup::section(random, &own, setup.unified, &mut config);
    config["root"] = json!({ "path": "rootfs", "readonly": one_in(random, 3) });
    config["mounts"] = mounts::list(random, &own);
    files::section(random, &own, &mut config["linux"]);
    merge(&mut setup.config, config);
    setup
}

fn namespaces(random: &mut Prng, own: &Own, setup: &mut Setup) {
    let mut list = Vec::new();
    let all = [
        ("user", own.user),
        // Without one runc runs only what has a /proc in its root already.
        ("mount", true),
        ("pid", own.pid),
        ("network", own.network),
        ("ipc", own.ipc),
        ("uts", own.uts),
        ("cgroup", own.cgroup),
    ];
    for (kind, there) in all {
        // What is joined belongs to the host's user namespace.
        let held = [("network", "net"), ("ipc", "ipc"), ("uts", "uts")];
        let held = held.iter().find(|(one, _)| *one == kind).filter(|_| !own.user);
        match held {
            _ if !there => {}
            Some((_, file)) if one_in(random, 6) => {
                list.push(json!({ "type": kind, "path": format!("@held/{file}") }));
            }
            _ => list.push(json!({ "type": kind })),
        }
    }
    for _ in 0..list.len() {
        let (one, other) = (random.below(list.len()), random.below(list.len()));
        list.swap(one, other);
    }
    setup.config["linux"]["namespaces"] = list.into();
    if own.user {
        let plain = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
        let two = json!([
            { "containerID": 0, "hostID": 100_000, "size": 2000 },
            { "containerID": 60_000, "hostID": 300_000, "size": 5535 },
        ]);
        let mapping = if one_in(random, 3) { two } else { plain };
        merge(
            &mut setup.config["linux"],
            json!({ "uidMappings": mapping, "gidMappings": mapping }),
        );
    }
}

fn sysctl(random: &mut Prng, own: &Own) -> Value {
    let all = [
        (own.ipc, "kernel.sem", "250 32000 100 128"),
        (own.ipc, "kernel.shm_rmid_forced", "1"),
        (own.ipc, "kernel.msgmax", "4096"),
        (own.ipc, "fs.mqueue.msg_max", "11"),
        (own.network, "net.ipv4.ip_forward", "1"),
        (own.network, "net.ipv4.ping_group_range", "0 0"),
        (own.network, "net.ipv4.ip_unprivileged_port_start", "0"),
        (own.network, "net.core.somaxconn", "77"),
    ];
    let mut found = json!({});
    for (there, name, value) in all {
        if there && one_in(random, 8) {
            found[name] = json!(value);
        }
    }
    found
}

/// A chance of one in `bound`.
fn one_in(random: &mut Prng, bound: usize) -> bool {
    random.below(bound) == 0
}

/// Each of `items` with a chance of one in `bound`.
fn some<T: Clone>(random: &mut Prng, bound: usize, items: &[T]) -> Vec<T> {
    items.iter().filter(|_| one_in(random, bound)).cloned().collect()
}
