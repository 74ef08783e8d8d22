//! Random sections of resources that the machine can give.
//!
//! A seed gives the same section on every machine with the same limits. Each runtime's own processes are in the cgroup
//! while it is made, so no limit is so low that they couldn't go on.

use serde_json::{Map, Value, json};

use crate::machine::Machine;
use crate::prng::Prng;

const MIB: i64 = 1 << 20;

/// What makes one member of it.
type Section = fn(&mut Prng, &Machine) -> Value;

/// The section of a seed.
pub(crate) fn resources(seed: u64, machine: &Machine) -> Value {
    let random = &mut Prng(seed);
    let sections: [(&str, Section, usize); 8] = [
        ("memory", memory, 2),
        ("cpu", cpu, 2),
        ("pids", pids, 3),
        ("blockIO", block_io, 3),
        ("hugepageLimits", huge_pages, 3),
        ("network", network, 4),
        ("devices", devices, 2),
        ("unified", unified, 3),
    ];
    let mut resources = Map::new();
    for (name, section, chance) in sections {
        let value = section(random, machine);
        let is_empty = value.as_object().is_some_and(Map::is_empty) || value == json!([]);
        if one_in(random, chance) && !is_empty {
            resources.insert(name.to_owned(), value);
        }
    }
    resources.into()
}

fn memory(random: &mut Prng, machine: &Machine) -> Value {
    let limit = *random.pick(&[64 * MIB, 100_000_001, 256 * MIB, 1024 * MIB, -1]);
    let mut memory = json!({ "limit": limit });
    if one_in(random, 8) {
        // Whether a limit of both goes without one of memory the three don't agree.
        memory = json!({});
    }
    if one_in(random, 2) {
        memory["reservation"] = json!(random.pick(&[16 * MIB, 33_000_001, 64 * MIB, -1]));
    }
    let has_swap = machine.has("memory.memsw.limit_in_bytes") || machine.has("memory.swap.max");
    if has_swap && memory.get("limit").is_some() && one_in(random, 2) {
        // v1 has no limit of both without one of memory; crun has none with v2 either.
        let more = *random.pick(&[0, 1, 64 * MIB, 1024 * MIB]);
        let swap = if limit == -1 || one_in(random, 4) { -1 } else { limit + more };
        memory["swap"] = swap.into();
    }
    if one_in(random, 4) {
        memory["checkBeforeUpdate"] = json!(one_in(random, 2));
    }
    if machine.is_v2 {
        return memory;
    }
    if one_in(random, 3) {
        memory["swappiness"] = json!(random.pick(&[0, 1, 60, 100]));
    }
    if one_in(random, 3) {
        memory["disableOOMKiller"] = json!(one_in(random, 2));
    }
    if machine.has("memory.use_hierarchy") && one_in(random, 4) {
        memory["useHierarchy"] = json!(true);
    }
    if machine.has("memory.kmem.tcp.limit_in_bytes") && one_in(random, 4) {
        memory["kernelTCP"] = json!(random.pick(&[16 * MIB, 32 * MIB, -1]));
    }
    memory
}

fn cpu(random: &mut Prng, machine: &Machine) -> Value {
    let mut cpu = json!({});
    if one_in(random, 2) {
        cpu["shares"] = json!(random.pick(&[64, 100, 512, 1000, 1024, 2048, 5000, 262_144]));
    }
    // Of one processor at least a fifth.
    let quota = *random.pick(&[-1, 40_000, 100_000, 123_456, 200_000]);
    if one_in(random, 2) {
        cpu["quota"] = quota.into();
    }
    if one_in(random, 2) {
        cpu["period"] = json!(random.pick(&[50_000, 100_000, 200_000]));
    }
    let has_burst = machine.has("cpu.cfs_burst_us") || machine.has("cpu.max.burst");
    if has_burst && one_in(random, 3) {
        let burst = if cpu["quota"].as_i64().is_some_and(|quota| quota > 0) { 10_000 } else { 0 };
        cpu["burst"] = burst.into();
    }
    if machine.has("cpu.idle") && one_in(random, 4) {
        cpu["idle"] = json!(random.below(2));
    }
    if machine.has("cpu.rt_runtime_us") && one_in(random, 3) {
        // All cgroups share what their parent has.
        cpu["realtimePeriod"] = json!(random.pick(&[500_000, 1_000_000]));
        cpu["realtimeRuntime"] = json!(random.pick(&[1000, 5000]));
    }
    if machine.has("cpuset.cpus") && one_in(random, 3) {
        cpu["cpus"] = json!(random.pick(&["0", "0-1", "0,1", "1"]));
    }
    if machine.has("cpuset.mems") && one_in(random, 3) {
        cpu["mems"] = json!("0");
    }
    cpu
}

fn pids(random: &mut Prng, _: &Machine) -> Value {
    json!({ "limit": random.pick(&[-1, 0, 64, 1000, 32_768]) })
}

fn block_io(random: &mut Prng, machine: &Machine) -> Value {
    let mut block_io = json!({});
    let weights = ["blkio.weight", "blkio.bfq.weight", "io.weight", "io.bfq.weight"];
    if weights.iter().any(|file| machine.has(file)) && one_in(random, 2) {
        block_io["weight"] = json!(random.pick(&[10, 11, 100, 500, 999, 1000]));
    }
    let Some((major, minor)) = machine.disk else { return block_io };
    if machine.disk_has_weight && one_in(random, 2) {
        let weight = random.pick(&[10, 333, 1000]);
        block_io["weightDevice"] = json!([{ "major": major, "minor": minor, "weight": weight }]);
    }
    for name in [
        "throttleReadBpsDevice",
        "throttleWriteBpsDevice",
        "throttleReadIOPSDevice",
        "throttleWriteIOPSDevice",
    ] {
        if one_in(random, 2) {
            let rate = random.pick(&[1 << 20, 12_345_678, 1 << 30]);
            block_io[name] = json!([{ "major": major, "minor": minor, "rate": rate }]);
        }
    }
    block_io
}

fn huge_pages(random: &mut Prng, machine: &Machine) -> Value {
    let mut limits = Vec::new();
    for size in machine.page_sizes() {
        if one_in(random, 2) {
            let limit = random.pick(&[0_u64, 4 << 20, 5_000_000, 4 << 30]);
            limits.push(json!({ "pageSize": size, "limit": limit }));
        }
    }
    limits.into()
}

fn network(random: &mut Prng, machine: &Machine) -> Value {
    let mut network = json!({});
    if !machine.has("net_cls.classid") || !machine.has("net_prio.ifpriomap") {
        return network;
    }
    if one_in(random, 2) {
        network["classID"] = json!(random.pick(&[1, 0x10_0001, 0xffff_fff0_u32]));
    }
    if one_in(random, 2) {
        network["priorities"] = json!([{ "name": "lo", "priority": random.pick(&[0, 7, 500]) }]);
    }
    network
}

fn devices(random: &mut Prng, _: &Machine) -> Value {
    let all = [
        json!({ "allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm" }),
        json!({ "allow": true, "type": "c", "major": 1, "minor": 5, "access": "r" }),
        json!({ "allow": true, "type": "c", "major": 1, "minor": 11, "access": "rw" }),
        json!({ "allow": true, "type": "c", "major": 10, "access": "rwm" }),
        json!({ "allow": true, "type": "c", "minor": 7, "access": "rwm" }),
        json!({ "allow": true, "type": "c", "access": "m" }),
        json!({ "allow": true, "type": "b", "access": "m" }),
        json!({ "allow": true, "type": "b", "major": 300, "access": "rw" }),
        json!({ "allow": true, "type": "b", "major": 300, "minor": 7, "access": "rwm" }),
        json!({ "allow": true, "type": "c", "major": 300, "minor": 8, "access": "w" }),
        json!({ "allow": true, "type": "c", "major": 300, "minor": 8, "access": "mr" }),
    ];
    let mut rules = vec![json!({ "allow": false, "access": "rwm" })];
    rules.extend(all.into_iter().filter(|_| one_in(random, 3)));
    if one_in(random, 3) {
        rules
            .push(json!({ "allow": true, "type": "c", "major": 301, "minor": 0, "access": "rwm" }));
        rules.push(json!({ "allow": false, "type": "c", "major": 301, "minor": 0, "access": "w" }));
    }
    if one_in(random, 6) {
        rules.push(json!({ "allow": true, "access": "rwm" }));
    }
    rules.into()
}

fn unified(random: &mut Prng, machine: &Machine) -> Value {
    let mut unified = json!({});
    if !machine.is_v2 {
        return unified;
    }
    let all = [
        ("memory.high", "96M"),
        ("memory.min", "8M"),
        ("memory.oom.group", "1"),
        ("memory.max", "512M"),
        ("pids.max", "777"),
        ("cpu.weight", "333"),
        ("cpu.max", "150000 100000"),
        ("cpuset.cpus", "0"),
        ("cgroup.max.depth", "5"),
        ("cgroup.max.descendants", "50"),
        ("hugetlb.2MB.max", "2097152"),
    ];
    for (file, value) in all {
        let is_there = machine.has(file);
        if one_in(random, 4) && is_there {
            unified[file] = json!(value);
        }
    }
    if let Some((major, minor)) = machine.disk.filter(|_| machine.has("io.max"))
        && one_in(random, 4)
    {
        let lines = format!("{major}:{minor} rbps=2097152\n{major}:{minor} wiops=120 wbps=3145728");
        unified["io.max"] = json!(lines);
    }
    unified
}

/// A chance of one in `bound`.
fn one_in(random: &mut Prng, bound: usize) -> bool {
    random.below(bound) == 0
}
