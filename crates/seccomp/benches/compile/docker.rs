//! Docker Engine's default profile.

use serde_json::{Value, json};

/// The profile as a section of `config.json`, of an older engine and of today's, each with a name.
pub(crate) fn profiles() -> [(&'static str, String); 2] {
    [("docker-20.10", section().to_string()), ("docker", current())]
}

/// As an engine of 2026 writes it, by what has changed in the profile since 20.10 (moby/profiles, seccomp/default.json):
/// more calls, io_uring(7) no longer, and sockets of known families alone.
fn current() -> String {
    const ADDED: [&str; 19] = [
        "cachestat",
        "fchmodat2",
        "futex_requeue",
        "futex_wait",
        "futex_wake",
        "getxattrat",
        "listmount",
        "listxattrat",
        "map_shadow_stack",
        "mseal",
        "name_to_handle_at",
        "pkey_alloc",
        "pkey_free",
        "pkey_mprotect",
        "removexattrat",
        "riscv_hwprobe",
        "setxattrat",
        "statmount",
        "uretprobe",
    ];
    const REMOVED: [&str; 4] = ["io_uring_enter", "io_uring_register", "io_uring_setup", "socket"];
    const PTRACE: [&str; 3] = ["process_vm_readv", "process_vm_writev", "ptrace"];
    const BELOW: u32 = 12;
    const FAMILIES: [u32; 25] = [
        13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43,
        44, 45,
    ];
    let mut section = section();
    let mut names: Vec<Value> = section["syscalls"][0]["names"].as_array().cloned().expect("names");
    names.retain(|name| !REMOVED.contains(&name.as_str().unwrap_or_default()));
    names.extend(ADDED.map(Value::from));
    names.sort_unstable_by(|one, other| one.as_str().cmp(&other.as_str()));
    section["syscalls"][0]["names"] = names.into();
    section["syscalls"][1]["names"] = json!(PTRACE);
    let socket = |op: &str, family: u32| {
        let args = json!([{"index": 0, "value": family, "op": op}]);
        json!({"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": args})
    };
    let families = FAMILIES.iter().map(|family| socket("SCMP_CMP_EQ", *family));
    let sockets: Vec<Value> = [socket("SCMP_CMP_LT", BELOW)].into_iter().chain(families).collect();
    section["syscalls"].as_array_mut().expect("rules").splice(2..2, sockets);
    section.to_string()
}

/// As Docker Engine 20.10 writes it (tests/data/docker.md).
fn section() -> Value {
    let text = include_str!("../../../../tests/data/docker-20.10-seccomp.json");
    let mut config: Value = serde_json::from_str(text).expect("JSON");
    config["linux"]["seccomp"].take()
}
