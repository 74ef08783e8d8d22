//! The rules of namespaces and of what needs one: what breaks each, and what is said then.

use serde_json::{Value, json};

use super::*;

#[test]
fn namespaces() {
    one_each(&[
        (
            "/linux/namespaces/-",
            json!({ "type": "pid" }),
            "/linux/namespaces/8/type: malformed spec file: duplicated ns \"pid\"",
        ),
        (
            "/linux/namespaces/2/path",
            json!("proc/1/ns/pid"),
            "/linux/namespaces/2/path: \"proc/1/ns/pid\" is not an absolute path",
        ),
        (
            "/linux/namespaces/5/type",
            json!("mount"),
            "/linux/namespaces/5/type: malformed spec file: duplicated ns \"mount\"",
        ),
        (
            "/linux/namespaces/5",
            Value::Null,
            "/hostname: unable to set hostname without a private UTS namespace",
        ),
        ("/hostname", json!("x".repeat(65)), "/hostname: 65 bytes, at most 64 are possible"),
        ("/domainname", json!("x".repeat(65)), "/domainname: 65 bytes, at most 64 are possible"),
    ]);
    accepted(&[("/hostname", json!("x".repeat(64)))]);
    let message = refused(&[("/hostname", Value::Null), ("/linux/namespaces/5", Value::Null)]);
    assert_eq!(message, "/domainname: unable to set domainname without a private UTS namespace");
}

#[test]
fn network_devices() {
    let device = |host: &str, name: &str| json!({ host: { "name": name } });
    let section = |value: Value| ("/linux/netDevices", value);
    accepted(&[section(json!({}))]);
    for name in ["", "eth0", "a", "fifteen-letters", "eth%d", "%d", "...", "é", "a~b"] {
        accepted(&[section(device("veth0", name))]);
    }
    accepted(&[section(json!({ "a": { "name": "eth%d" }, "b": { "name": "eth%d" }, "c": {} }))]);
    let odd = [
        ".",
        "..",
        "a/b",
        "a:b",
        "a b",
        "a\tb",
        "a\n",
        "à",
        "sixteen--letters",
        "%",
        "a%s",
        "%d%d",
    ];
    for name in odd {
        let message = refused(&[section(device("veth0", name))]);
        let expected =
            format!("/linux/netDevices/veth0/name: invalid network device name {name:?}");
        assert_eq!(message, expected);
    }
    for host in ["", ".", "..", "sixteen--letters", "a b"] {
        let message = refused(&[section(device(host, "eth0"))]);
        let expected = format!("/linux/netDevices/{host}: invalid network device name {host:?}");
        assert_eq!(message, expected);
    }
    for twice in [
        json!({ "a": { "name": "eth0" }, "b": { "name": "eth0" } }),
        json!({ "a": { "name": "b" }, "b": {} }),
    ] {
        let message = refused(&[section(twice)]);
        assert!(
            message.starts_with("/linux/netDevices/b/name: another network device"),
            "{message}"
        );
    }
    let message = refused(&[
        section(json!({ "eth0": {} })),
        ("/linux/namespaces/3", Value::Null),
        ("/linux/sysctl", Value::Null),
    ]);
    let reason = "unable to move network devices without a NET namespace";
    assert_eq!(message, format!("/linux/netDevices: {reason}"));
}

#[test]
fn what_needs_a_mount_namespace() {
    let none = ("/linux/namespaces/1", Value::Null);
    let reason = "unable to restrict sys entries without a private MNT namespace";
    assert_eq!(refused(std::slice::from_ref(&none)), format!("/linux/maskedPaths: {reason}"));
    let masked = ("/linux/maskedPaths", Value::Null);
    assert_eq!(refused(&[none.clone(), masked.clone()]), format!("/linux/readonlyPaths: {reason}"));
    let readonly = ("/linux/readonlyPaths", Value::Null);
    let mut without = vec![none, masked, readonly];
    for (pointer, act) in [
        ("/linux/rootfsPropagation", "set the propagation of mounts"),
        ("/mounts", "mount"),
        ("/linux/devices", "make device nodes"),
    ] {
        let message = refused(&without);
        assert_eq!(message, format!("{pointer}: unable to {act} without a private MNT namespace"));
        without.push((pointer, Value::Null));
    }
    accepted(&without);
    one_each(&[
        (
            "/linux/maskedPaths/0",
            json!("proc"),
            "/linux/maskedPaths/0: \"proc\" is not an absolute path",
        ),
        (
            "/linux/readonlyPaths/0",
            json!(""),
            "/linux/readonlyPaths/0: \"\" is not an absolute path",
        ),
        (
            "/linux/rootfsPropagation",
            json!("rrshared"),
            "/linux/rootfsPropagation: rootfsPropagation=\"rrshared\" is not supported",
        ),
    ]);
    for name in [
        "shared",
        "rshared",
        "slave",
        "rslave",
        "private",
        "rprivate",
        "unbindable",
        "runbindable",
        "",
    ] {
        accepted(&[("/linux/rootfsPropagation", json!(name))]);
    }
}

#[test]
fn clocks() {
    let joined = ("/linux/namespaces/7/path", json!("/proc/1/ns/time"));
    let both = "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one";
    assert_eq!(refused(std::slice::from_ref(&joined)), format!("/linux/timeOffsets: {both}"));
    accepted(&[joined, ("/linux/timeOffsets", Value::Null)]);
    one_each(&[
        (
            "/linux/namespaces/7",
            Value::Null,
            "/linux/timeOffsets: time namespace offsets specified, but time namespace isn't enabled in the config",
        ),
        (
            "/linux/timeOffsets/real~1time",
            json!({}),
            "/linux/timeOffsets/real~1time: unknown clock \"real/time\"",
        ),
        (
            "/linux/timeOffsets/boottime/nanosecs",
            json!(1_000_000_000),
            "/linux/timeOffsets/boottime/nanosecs: 1000000000 is more than 999999999",
        ),
    ]);
}

#[test]
fn user_namespaces() {
    let map = |container: u32, host: u32, size: u32| json!({ "containerID": container, "hostID": host, "size": size });
    let all = u32::MAX;
    one_each(&[
        (
            "/linux/gidMappings",
            Value::Null,
            "/linux/gidMappings: user namespaces enabled, but no mapping found for gid 0",
        ),
        (
            "/linux/uidMappings",
            json!([map(1, 0, 10)]),
            "/linux/uidMappings: user namespaces enabled, but no mapping found for uid 0",
        ),
        (
            "/linux/uidMappings/0/size",
            json!(0),
            "/linux/uidMappings/0/size: a mapping must not be empty",
        ),
        (
            "/linux/uidMappings/0/size",
            json!(all),
            "/linux/uidMappings/0/hostID: 4294967295 ids from 1000 on are too many",
        ),
        (
            "/linux/uidMappings/-",
            map(all, 1, 1),
            "/linux/uidMappings/1/containerID: 1 ids from 4294967295 on are too many",
        ),
        (
            "/linux/uidMappings/-",
            map(9, 0, 1),
            "/linux/uidMappings/1/containerID: 9 is in another mapping too",
        ),
        (
            "/linux/uidMappings/-",
            map(10, 1009, 1),
            "/linux/uidMappings/1/hostID: 1009 is in another mapping too",
        ),
        (
            "/linux/uidMappings/-",
            map(10, 991, 10),
            "/linux/uidMappings/0/hostID: 1000 is in another mapping too",
        ),
        (
            "/process/user/uid",
            json!(10),
            "/process/user/uid: 10 is not mapped in the user namespace",
        ),
        (
            "/process/user/gid",
            json!(20),
            "/process/user/gid: 20 is not mapped in the user namespace",
        ),
        (
            "/process/user/additionalGids/0",
            json!(20),
            "/process/user/additionalGids/0: 20 is not mapped in the user namespace",
        ),
        (
            "/mounts/1/options/1",
            json!("gid=20"),
            "/mounts/1/options: gid=20 is not mapped in the user namespace",
        ),
        (
            "/mounts/1/options/0",
            json!("mode=1,uid=10"),
            "/mounts/1/options: uid=10 is not mapped in the user namespace",
        ),
    ]);
    accepted(&[("/linux/uidMappings", json!([map(0, 0, all)]))]);
    accepted(&[("/linux/uidMappings/-", map(10, 1010, 1))]);
    accepted(&[("/linux/uidMappings/-", map(all - 1, 0, 1))]);
    let many: Vec<Value> = (0..341).map(|id| map(id, id, 1)).collect();
    let message = "/linux/uidMappings: 341 mappings, at most 340 are possible";
    assert_eq!(refused(&[("/linux/uidMappings", json!(many))]), message);
    accepted(&[("/linux/uidMappings", json!(many[..340]))]);
    if cfg!(target_arch = "x86_64") {
        let many: Vec<Value> = (0..340).map(|id| map(id, 1_000_000 + id, 1)).collect();
        let message = "/linux/uidMappings: 340 mappings are 4650 bytes in the kernel's form, \
                       at most 4095 are possible";
        assert_eq!(refused(&[("/linux/uidMappings", json!(many))]), message);
    }
}

#[test]
fn mappings_and_namespace_go_together() {
    let (uids, gids) = (("/linux/uidMappings", Value::Null), ("/linux/gidMappings", Value::Null));
    let none = ("/linux/namespaces/0", Value::Null);
    let joined = ("/linux/namespaces/0/path", json!("/proc/1/ns/user"));
    let message = refused(&[uids.clone(), gids.clone()]);
    let reason =
        "user namespaces enabled, but no namespace path to join nor mappings to apply specified";
    assert_eq!(message, format!("/linux/uidMappings: {reason}"));
    let reason =
        "user namespace mappings specified, but user namespace isn't enabled in the config";
    assert_eq!(refused(std::slice::from_ref(&none)), format!("/linux/uidMappings: {reason}"));
    assert_eq!(refused(&[uids.clone(), none.clone()]), format!("/linux/gidMappings: {reason}"));
    let user = ("/process/user/uid", json!(77));
    accepted(&[joined.clone(), uids.clone(), gids.clone(), user.clone()]);
    accepted(std::slice::from_ref(&joined));
    let message = refused(&[joined, user.clone()]);
    assert_eq!(message, "/process/user/uid: 77 is not mapped in the user namespace");
    let limits = ("/linux/sysctl/user.max_user_namespaces", Value::Null);
    accepted(&[none, uids, gids, user, limits]);
}

#[test]
fn kernel_parameters() {
    let shared = |key: &str| format!("sysctl {key:?} is not in a separate kernel namespace");
    for (key, index, reason) in [
        ("kernel.core_pattern", None, shared("kernel.core_pattern")),
        ("vm/swappiness", None, shared("vm/swappiness")),
        ("kernel..sem", None, "\"kernel..sem\" is not the name of a kernel parameter".to_owned()),
        ("net/../kernel/core_pattern", None, "\"net/../kernel/core_pattern\" is not the name of a kernel parameter".to_owned()),
        ("kernel.hostname", None, "sysctl \"kernel.hostname\" is not allowed as it conflicts with the OCI \"hostname\" field".to_owned()),
        ("kernel/domainname", None, "sysctl \"kernel/domainname\" is not allowed as it conflicts with the OCI \"domainname\" field".to_owned()),
        ("kernel.sem", Some(4), "sysctl \"kernel.sem\" is not allowed in the hosts ipc namespace".to_owned()),
        ("fs.mqueue.msg_max", Some(4), "sysctl \"fs.mqueue.msg_max\" is not allowed in the hosts ipc namespace".to_owned()),
        ("net.ipv4.ip_forward", Some(3), "sysctl \"net.ipv4.ip_forward\" not allowed in host network namespace".to_owned()),
        ("kernel.domainname", Some(5), shared("kernel.domainname")),
        ("kernel.hostname", Some(5), shared("kernel.hostname")),
    ] {
        let mut changes = vec![("/linux/sysctl", json!({ key: "1" }))];
        if let Some(index) = index {
            let removed: &str = match index { 3 => "/linux/namespaces/3", 4 => "/linux/namespaces/4", _ => "/linux/namespaces/5" };
            changes.push((removed, Value::Null));
            let others = ["/hostname", "/domainname", "/linux/netDevices"];
            changes.extend(others.map(|pointer| (pointer, Value::Null)));
        }
        let pointer = key.replace('/', "~1");
        assert_eq!(refused(&changes), format!("/linux/sysctl/{pointer}: {reason}"));
    }
    accepted(&[
        ("/linux/sysctl", json!({ "kernel.domainname": "x" })),
        ("/domainname", Value::Null),
    ]);
    let changes = [
        ("/linux/namespaces/0", Value::Null),
        ("/linux/uidMappings", Value::Null),
        ("/linux/gidMappings", Value::Null),
    ];
    let reason =
        "setting ucounts without a user namespace not allowed: \"user.max_user_namespaces\"";
    assert_eq!(refused(&changes), format!("/linux/sysctl/user.max_user_namespaces: {reason}"));
}
