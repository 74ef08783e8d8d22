//! Limits, device rules, and where the cgroup is.

use serde_json::json;

use super::*;

#[test]
fn device_rules() {
    let makes = json!({ "capabilities": { "bounding": ["CAP_MKNOD"], "permitted": ["CAP_MKNOD"], "effective": ["CAP_MKNOD"] } });
    let none = json!({ "allow": false, "access": "rwm" });
    let rules = [
        json!([]),
        json!([none]),
        json!([none, { "allow": true, "type": "c", "major": 300, "minor": 7, "access": "r" }]),
        json!([none, { "allow": true, "type": "c", "major": 300, "access": "wm" }]),
        json!([none, { "allow": true, "type": "c", "minor": 8, "access": "rw" }]),
        json!([none, { "allow": true, "type": "b", "access": "m" }]),
        json!([none, { "allow": true, "access": "rwm" }]),
        json!([{ "allow": false, "type": "c", "major": 1, "minor": 11, "access": "w" }]),
    ];
    let setups: Vec<Setup> = rules
        .iter()
        .map(|rules| resources(json!({ "devices": rules })).with(json!({ "process": makes })))
        .flat_map(|setup| [setup.clone(), setup.unified()])
        .collect();
    same(&setups);
}

#[test]
fn memory() {
    same(&[
        resources(json!({ "memory": { "limit": 64 << 20 } })),
        resources(json!({ "memory": { "limit": 100_000_001, "reservation": 33 << 20 } })),
        resources(json!({ "memory": { "limit": -1, "swappiness": 0 } })),
        resources(json!({ "memory": { "limit": 64 << 20, "disableOOMKiller": true } })),
    ]);
}

#[test]
fn cpu() {
    same(&[
        resources(json!({ "cpu": { "shares": 2 } })),
        resources(json!({ "cpu": { "quota": 50_000, "period": 100_000 } })),
        resources(json!({ "cpu": { "period": 50_000 } })),
        resources(json!({ "cpu": { "quota": 50_000 } })),
        resources(json!({ "cpu": { "cpus": "0", "mems": "0" } })),
    ]);
}

#[test]
fn pids() {
    same(&[-1, 0, 64, 32_768].map(|limit| resources(json!({ "pids": { "limit": limit } }))));
}

#[test]
fn block_io() {
    let rate = json!([{ "major": 254, "minor": 0, "rate": 1 << 20 }]);
    let names = [
        "throttleReadBpsDevice",
        "throttleWriteBpsDevice",
        "throttleReadIOPSDevice",
        "throttleWriteIOPSDevice",
    ];
    if !std::fs::exists("/dev/vda").unwrap() {
        return coble_tests::skip("there is no block device 254:0");
    }
    same(&names.map(|name| resources(json!({ "blockIO": { name: rate } }))));
}

#[test]
fn huge_pages() {
    let limit = json!([{ "pageSize": "2MB", "limit": 4 << 20 }]);
    if !std::fs::read_to_string("/sys/fs/cgroup/unified/cgroup.controllers")
        .is_ok_and(|names| names.contains("hugetlb"))
    {
        return coble_tests::skip("cgroup v2 has no controller for huge pages here");
    }
    same(&[resources(json!({ "hugepageLimits": limit })).unified()]);
}

#[test]
fn cgroups_path() {
    let paths = ["/@id", "/@id/a/b.c"];
    let setups = paths.map(|path| linux(json!({ "cgroupsPath": path })));
    same(&setups);
    same(&setups.map(Setup::unified));
}

#[test]
fn memory_and_swap() {
    if !std::fs::exists("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").unwrap() {
        return coble_tests::skip("the kernel has no limits of memory and swap in cgroup v1");
    }
    let pairs = [(64 << 20, 64 << 20), (64 << 20, 128 << 20), (64 << 20, -1), (-1, -1)];
    same(
        &pairs
            .map(|(limit, swap)| resources(json!({ "memory": { "limit": limit, "swap": swap } }))),
    );
    same(&[resources(json!({ "memory": { "swap": 128 << 20, "limit": 100_000_001 } }))]);
}

#[test]
fn cgroups_path_that_is_missing_or_relative() {
    let mut missing = least();
    missing.config["linux"].as_object_mut().unwrap().remove("cgroupsPath");
    let relative = ["@id", "@id/below", "./@id"];
    let relative = relative.map(|path| linux(json!({ "cgroupsPath": path })));
    let setups: Vec<Setup> = relative.into_iter().chain([missing]).collect();
    same(&setups);
    same(&setups.into_iter().map(Setup::unified).collect::<Vec<_>>());
}
