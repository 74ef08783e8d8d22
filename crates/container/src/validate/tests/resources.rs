//! The rules of mounts, hooks, devices, cgroups and of what is not there yet: what breaks each, and what is
//! said then.

use serde_json::{Value, json};

use super::*;

#[test]
fn mounts() {
    let bind = "bind mounts cannot have any filesystem-specific options applied";
    one_each(&[
        (
            "/mounts/0/destination",
            json!(""),
            "/mounts/0/destination: the destination of a mount must not be empty",
        ),
        (
            "/mounts/0/destination",
            json!("/"),
            "/mounts/0/destination: a mount cannot take the place of the root",
        ),
        (
            "/mounts/0/destination",
            json!("/a/.././.."),
            "/mounts/0/destination: a mount cannot take the place of the root",
        ),
        (
            "/mounts/0/type",
            json!(""),
            "/mounts/0/type: a mount that is not a bind mount needs a type",
        ),
        (
            "/mounts/0/type",
            json!("none"),
            "/mounts/0/type: a mount that is not a bind mount needs a type",
        ),
        ("/mounts/2/source", Value::Null, "/mounts/2/source: a bind mount needs a source"),
        ("/mounts/2/options/1", json!("size=1"), &format!("/mounts/2/options: {bind}: \"size\"")),
        (
            "/mounts/0/options",
            json!(["tmpcopyup"]),
            "/mounts/0/options: tmpcopyup needs a new file system of the type tmpfs",
        ),
        (
            "/mounts/2/options/1",
            json!("tmpcopyup"),
            "/mounts/2/options: tmpcopyup needs a new file system of the type tmpfs",
        ),
        (
            "/mounts/2/options/1",
            json!("ridmap=1"),
            "/mounts/2/options/1: mount option \"ridmap=1\": a mapping is written as \
             uids=0-1000-10#20-2000-5;gids=0-1000-10",
        ),
        (
            "/mounts/2/uidMappings",
            json!([{ "containerID": 0, "hostID": 0, "size": 1 }]),
            "/mounts/2/gidMappings: id-mapped mounts must have both uid and gid mappings specified",
        ),
        (
            "/mounts/2/gidMappings",
            json!([{ "containerID": 0, "hostID": 0, "size": 1 }]),
            "/mounts/2/uidMappings: id-mapped mounts must have both uid and gid mappings specified",
        ),
        (
            "/mounts/2/options/1",
            json!("idmap=uids=0-0-2;gids=0-0-1#1-0-1"),
            "/mounts/2/options/1/hostID: 0 is in another mapping too",
        ),
    ]);
    for word in ["sync", "dirsync", "mand", "lazytime", "iversion"] {
        let expected = format!("/mounts/2/options: {bind}: \"{word}\"");
        assert_eq!(refused(&[("/mounts/2/options/1", json!(word))]), expected);
    }
    let defaults = ["rbind", "rprivate", "async", "nomand", "noiversion", "nolazytime", "silent"];
    accepted(&[("/mounts/2/options", json!(defaults))]);
    accepted(&[("/mounts/0/destination", json!("proc")), ("/mounts/0/options", json!(["ro"]))]);
    accepted(&[("/mounts/0/destination", json!("/a/../../b"))]);
    accepted(&[(
        "/mounts/2",
        json!({ "destination": "/x", "options": ["remount", "bind", "ro"] }),
    )]);
    for (option, key) in [
        ("size=1", "size"),
        ("sync", "sync"),
        ("async", "async"),
        ("lazytime", "lazytime"),
        ("noiversion", "iversion"),
    ] {
        let remount = json!({ "destination": "/x", "options": ["remount", "ro", option] });
        let reason = "a remount changes the mount, not its file system";
        let expected = format!("/mounts/2/options: {reason}: \"{key}\"");
        assert_eq!(refused(&[("/mounts/2", remount)]), expected);
    }
    let remount =
        json!({ "destination": "/x", "type": "tmpfs", "options": ["remount", "tmpcopyup"] });
    let expected = "/mounts/2/options: tmpcopyup needs a new file system of the type tmpfs";
    assert_eq!(refused(&[("/mounts/2", remount)]), expected);
    let typed =
        json!({ "destination": "/x", "type": "bind", "source": "a", "options": ["mode=1"] });
    assert_eq!(refused(&[("/mounts/2", typed)]), format!("/mounts/2/options: {bind}: \"mode\""));
}

#[test]
fn hooks() {
    for list in
        ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
    {
        let pointer = format!("/hooks/{list}/0");
        let message = refused(&[(&format!("{pointer}/path"), json!("a"))]);
        assert_eq!(message, format!("{pointer}/path: \"a\" is not an absolute path"));
        for seconds in [0, -1, i64::MIN] {
            let message = refused(&[(&format!("{pointer}/timeout"), json!(seconds))]);
            assert_eq!(message, format!("{pointer}/timeout: a timeout must be greater than zero"));
        }
        let message = refused(&[(&format!("{pointer}/env"), json!(["A"]))]);
        assert_eq!(message, format!("{pointer}/env/0: invalid environment variable: missing '='"));
    }
}

#[test]
fn devices() {
    one_each(&[
        (
            "/linux/devices/0/path",
            json!("dev/a"),
            "/linux/devices/0/path: \"dev/a\" is not an absolute path",
        ),
        ("/linux/devices/0/type", json!("x"), "/linux/devices/0/type: invalid device type \"x\""),
        ("/linux/devices/0/type", json!("a"), "/linux/devices/0/type: invalid device type \"a\""),
        (
            "/linux/devices/0/major",
            json!(-1),
            "/linux/devices/0/major: -1 is not between 0 and 4095",
        ),
        (
            "/linux/devices/2/major",
            json!(4096),
            "/linux/devices/2/major: 4096 is not between 0 and 4095",
        ),
        (
            "/linux/devices/2/minor",
            json!(1_048_576),
            "/linux/devices/2/minor: 1048576 is not between 0 and 1048575",
        ),
        (
            "/linux/devices/0/fileMode",
            json!(0o200_000),
            "/linux/devices/0/fileMode: 65536 (octal 200000) is not a file's mode",
        ),
        (
            "/linux/devices/0/uid",
            json!(u32::MAX),
            "/linux/devices/0/uid: 4294967295 is not the number of a user or group",
        ),
        (
            "/linux/devices/0/gid",
            json!(u32::MAX),
            "/linux/devices/0/gid: 4294967295 is not the number of a user or group",
        ),
        (
            "/linux/devices/1/minor",
            json!(4),
            "/linux/devices/1/path: \"/dev/a\" is another device already",
        ),
        (
            "/linux/devices/1/type",
            json!("b"),
            "/linux/devices/1/path: \"/dev/a\" is another device already",
        ),
    ]);
}

#[test]
fn cgroups() {
    one_each(&[
        (
            "/linux/cgroupsPath",
            json!("/a/../b"),
            "/linux/cgroupsPath: \"/a/../b\" has the part \"..\"",
        ),
        ("/linux/cgroupsPath", json!(".."), "/linux/cgroupsPath: \"..\" has the part \"..\""),
        (
            "/linux/cgroupsPath",
            json!("a\nb"),
            r#"/linux/cgroupsPath: "a\nb" has a control character"#,
        ),
        (
            "/linux/resources/devices/0/type",
            json!("p"),
            "/linux/resources/devices/0/type: invalid cgroup device type \"p\"",
        ),
        (
            "/linux/resources/devices/1/access",
            json!(""),
            "/linux/resources/devices/1/access: device access at 1 field cannot be empty",
        ),
        (
            "/linux/resources/devices/0/access",
            json!("rx"),
            "/linux/resources/devices/0/access: \"rx\" has other letters than r, w and m",
        ),
        (
            "/linux/resources/devices/1/major",
            json!(-2),
            "/linux/resources/devices/1/major: -2 is not a device's number",
        ),
        (
            "/linux/resources/cpu/cpus",
            json!("all"),
            "/linux/resources/cpu/cpus: \"all\" is not a list such as \"0-3,7\"",
        ),
        (
            "/linux/resources/cpu/mems",
            json!("0;1"),
            "/linux/resources/cpu/mems: \"0;1\" is not a list such as \"0-3,7\"",
        ),
        (
            "/linux/resources/blockIO/weightDevice/0/major",
            json!(-1),
            "/linux/resources/blockIO/weightDevice/0: not a device's number",
        ),
        (
            "/linux/resources/blockIO/throttleWriteIOPSDevice/0/minor",
            json!(-1),
            "/linux/resources/blockIO/throttleWriteIOPSDevice/0: not a device's number",
        ),
        (
            "/linux/resources/rdma/a b",
            json!({}),
            "/linux/resources/rdma/a b: \"a b\" is not the name of a device",
        ),
        (
            "/linux/resources/network/priorities/0/name",
            json!("a\n"),
            r#"/linux/resources/network/priorities/0/name: "a\n" is not the name of a network interface"#,
        ),
    ]);
    for size in ["", "MB", "02MB", "2mb", "2", "2MiB", "../x/2MB", "2TB"] {
        let message = format!(
            "/linux/resources/hugepageLimits/0/pageSize: {size:?} is not a size such as \"2MB\""
        );
        assert_eq!(
            refused(&[("/linux/resources/hugepageLimits/0/pageSize", json!(size))]),
            message
        );
    }
    for name in ["x", "../memory.high", "a/b.c", "a.b\n", ".hidden", "", "cgroup.procs/"] {
        let message = refused(&[("/linux/resources/unified", json!({ name: "1" }))]);
        let expected = format!("{name:?} is not a cgroup file such as \"memory.high\"");
        assert!(message.ends_with(&expected), "{message}");
    }
    for path in ["", "a", "/", "a/b", "/docker/a:b:c", "a:b", "a:b:c:d", "/a...b", "./a"] {
        accepted(&[("/linux/cgroupsPath", json!(path))]);
    }
}

#[test]
fn processors_and_memory_policy() {
    accepted(&[("/process/execCPUAffinity", json!({}))]);
    accepted(&[("/process/execCPUAffinity", json!({ "initial": "0", "final": "0-3,7,5000" }))]);
    let policy = |mode: &str, nodes: &str| json!({ "mode": mode, "nodes": nodes });
    accepted(&[("/linux/memoryPolicy", policy("MPOL_INTERLEAVE", "0-3,2000"))]);
    accepted(&[("/linux/memoryPolicy", json!({ "mode": "MPOL_LOCAL" }))]);
    one_each(&[
        (
            "/process/execCPUAffinity",
            json!({ "final": "," }),
            "/process/execCPUAffinity/final: there is no number in the list \",\"",
        ),
        (
            "/linux/memoryPolicy",
            policy("MPOL_MOON", ""),
            "/linux/memoryPolicy/mode: invalid memory policy mode \"MPOL_MOON\"",
        ),
        (
            "/linux/memoryPolicy",
            policy("MPOL_BIND", "65537"),
            "/linux/memoryPolicy/nodes: invalid memory policy nodes: \"65537\": values larger than 65536 are not supported",
        ),
        (
            "/linux/memoryPolicy",
            policy("MPOL_DEFAULT", "0"),
            "/linux/memoryPolicy/nodes: MPOL_DEFAULT: the mode requires 0 nodes but got 1",
        ),
        (
            "/linux/memoryPolicy",
            json!({ "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_X"] }),
            "/linux/memoryPolicy/flags/0: invalid memory policy flag \"MPOL_F_X\"",
        ),
    ]);
}

#[test]
fn intel_rdt() {
    for class in ["", "/", "a", "...", "a b", "-"] {
        accepted(&[("/linux/intelRdt", json!({ "closID": class }))]);
    }
    for class in [".", "..", "a/b", "/a", "a/", "//", "../a", "a\nb"] {
        let message = refused(&[("/linux/intelRdt", json!({ "closID": class }))]);
        assert_eq!(message, format!("/linux/intelRdt/closID: invalid intelRdt.ClosID {class:?}"));
    }
    accepted(&[("/linux/intelRdt", json!({ "l3CacheSchema": "L3CODE:0=f\nL3DATA:0=f" }))]);
    accepted(&[("/linux/intelRdt", json!({ "enableMonitoring": true, "enableCMT": null }))]);
    accepted(&[("/linux/intelRdt", json!({ "memBwSchema": "MB:0=20", "schemata": ["L3:0=f"] }))]);
    for (section, message) in [
        (json!({ "memBwSchema": "L3:0=f" }), "memBwSchema: \"L3:0=f\" does not start with \"MB:\""),
        (json!({ "memBwSchema": "MB:0=1\n" }), "memBwSchema: \"MB:0=1\\n\" has a line break"),
        (json!({ "schemata": ["", "a\nb"] }), "schemata/1: \"a\\nb\" has a line break"),
    ] {
        let expected = format!("/linux/intelRdt/{message}");
        assert_eq!(refused(&[("/linux/intelRdt", section)]), expected);
    }
}

#[test]
fn scheduling_and_personality() {
    accepted(&[("/process/scheduler", json!({ "policy": "SCHED_FIFO", "priority": 5 }))]);
    accepted(&[("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_BE", "priority": 7 }))]);
    accepted(&[("/linux/personality", json!({ "domain": "LINUX32" }))]);
    for (pointer, new, message) in [
        (
            "/process/scheduler",
            json!({ "policy": "SCHED_MOON" }),
            "/process/scheduler: unknown name \"SCHED_MOON\"",
        ),
        (
            "/process/ioPriority",
            json!({ "class": "IOPRIO_CLASS_BE", "priority": 8 }),
            "/process/ioPriority: invalid priority 8",
        ),
        (
            "/linux/personality",
            json!({ "domain": "MOON" }),
            "/linux/personality/domain: unknown domain \"MOON\"",
        ),
        (
            "/linux/personality",
            json!({ "domain": "LINUX", "flags": ["X"] }),
            "/linux/personality/flags: there are no personality flags",
        ),
    ] {
        assert_eq!(refused(&[(pointer, new)]), message);
    }
}
