//! `linux.cgroupsPath` and `linux.resources`.

use serde_json::{Value, json};

use super::{Own, one_in, some};
use crate::prng::Prng;
use crate::setup::merge;

pub(super) fn section(random: &mut Prng, _: &Own, unified: bool, config: &mut Value) {
    let paths = ["/@id", "/@id/below", "/@id/a/b.c"];
    config["linux"]["cgroupsPath"] = json!(random.pick(&paths));
    let mut resources = json!({});
    if one_in(random, 2) {
        resources["devices"] = rules(random);
    }
    // With cgroup v2 alone the test machine's kernel has other controllers in v1.
    if !unified {
        for section in [memory(random), cpu(random), pids(random), block_io(random)] {
            if one_in(random, 3) {
                merge(&mut resources, section);
            }
        }
    }
    config["linux"]["resources"] = resources;
}

fn rules(random: &mut Prng) -> Value {
    let all = [
        json!({ "allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm" }),
        json!({ "allow": true, "type": "c", "major": 1, "minor": 5, "access": "r" }),
        json!({ "allow": true, "type": "c", "major": 1, "minor": 11, "access": "rw" }),
        json!({ "allow": true, "type": "c", "major": 10, "access": "rwm" }),
        json!({ "allow": true, "type": "c", "minor": 7, "access": "rwm" }),
        json!({ "allow": true, "type": "c", "access": "m" }),
        json!({ "allow": true, "type": "b", "access": "m" }),
        json!({ "allow": true, "type": "b", "major": 300, "minor": -1, "access": "rw" }),
        json!({ "allow": true, "type": "b", "major": 300, "minor": 7, "access": "rwm" }),
        json!({ "allow": true, "type": "c", "major": 300, "minor": 7, "access": "w" }),
        json!({ "allow": true, "type": "c", "major": 300, "minor": 7, "access": "r" }),
        json!({ "allow": true, "type": "c", "major": 300, "minor": 8, "access": "mr" }),
    ];
    let mut rules = some(random, 3, &all);
    // A device that an earlier rule allows by itself. runc can't take one out of a rule for many, coble only with
    // cgroup v2.
    if one_in(random, 3) {
        rules
            .push(json!({ "allow": true, "type": "c", "major": 301, "minor": 0, "access": "rwm" }));
        rules.push(json!({ "allow": false, "type": "c", "major": 301, "minor": 0, "access": "w" }));
    }
    if one_in(random, 6) {
        rules.push(json!({ "allow": true, "access": "rwm" }));
    }
    if !one_in(random, 5) {
        rules.insert(0, json!({ "allow": false, "access": "rwm" }));
    }
    json!(rules)
}

fn memory(random: &mut Prng) -> Value {
    let limit = *random.pick(&[64_i64 << 20, 100_000_001, 1 << 30, -1]);
    let mut memory = json!({ "limit": limit });
    if one_in(random, 2) {
        memory["reservation"] = json!(random.pick(&[16_i64 << 20, 33 << 20, -1]));
    }
    if one_in(random, 3) {
        memory["swappiness"] = json!(random.pick(&[0, 1, 60, 100]));
    }
    if one_in(random, 3) {
        memory["disableOOMKiller"] = json!(random.pick(&[true, false]));
    }
    json!({ "memory": memory })
}

fn cpu(random: &mut Prng) -> Value {
    let all = json!({
        "shares": random.pick(&[0, 2, 10, 1024, 262_144]),
        "quota": random.pick(&[-1, 0, 1000, 50_000, 300_000]),
        "period": random.pick(&[0, 1000, 50_000, 100_000, 1_000_000]),
        "cpus": random.pick(&["0", "0-1", "0,1", "1", ""]),
        "mems": random.pick(&["0", "0-0", ""]),
    });
    let mut cpu = json!({});
    for (name, value) in all.as_object().unwrap() {
        if one_in(random, 3) {
            cpu[name] = value.clone();
        }
    }
    json!({ "cpu": cpu })
}

fn pids(random: &mut Prng) -> Value {
    json!({ "pids": { "limit": random.pick(&[-1, 0, 64, 1000, 32_768]) } })
}

fn block_io(random: &mut Prng) -> Value {
    let names = [
        "throttleReadBpsDevice",
        "throttleWriteBpsDevice",
        "throttleReadIOPSDevice",
        "throttleWriteIOPSDevice",
    ];
    let mut found = json!({});
    for name in some(random, 2, &names) {
        found[name] =
            json!([{ "major": 254, "minor": 0, "rate": random.pick(&[1 << 20, 1 << 30]) }]);
    }
    json!({ "blockIO": found })
}
