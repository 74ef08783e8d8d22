//! Namespaces: new ones, those of others, and none.

use serde_json::json;

use super::*;

#[test]
fn hostname() {
    same(&["box", "a.b-c"].map(|name| least().with(json!({ "hostname": name }))));
}

#[test]
fn sysctl() {
    let names = json!({
        "kernel.shm_rmid_forced": "1", "kernel.msgmax": "4096", "fs.mqueue.msg_max": "11",
        "net.ipv4.ip_forward": "1", "net.core.somaxconn": "77", "kernel.domainname": "example",
    });
    same(&[linux(json!({ "sysctl": names }))]);
}

#[test]
fn namespaces_that_are_missing() {
    same(&["pid", "ipc", "uts", "network"].map(|kind| least().without_namespace(kind)));
}

#[test]
fn namespaces_that_are_joined() {
    let held = [("network", "net"), ("ipc", "ipc"), ("uts", "uts")];
    let joined = held.map(|(kind, file)| {
        let mut setup = least().without_namespace(kind).namespace(kind);
        let list = setup.config["linux"]["namespaces"].as_array_mut().unwrap();
        list.last_mut().unwrap()["path"] = json!(format!("@held/{file}"));
        setup
    });
    same(&joined);
}

#[test]
fn cgroup_namespace() {
    same(&[least().namespace("cgroup"), least().namespace("cgroup").unified()]);
}

#[test]
fn user_namespace() {
    let plain = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    let two = json!([
        { "containerID": 1, "hostID": 200_000, "size": 2000 },
        { "containerID": 0, "hostID": 100_000, "size": 1 },
    ]);
    let mapped = |map: &Value| {
        let user = json!({ "uid": 1000, "gid": 5 });
        least().namespace("user").with(json!({
            "linux": { "uidMappings": map, "gidMappings": map }, "process": { "user": user }
        }))
    };
    same(&[mapped(&plain), mapped(&two), mapped(&plain).unified()]);
}

/// The same with a namespace of this kind joined.
fn join(setup: Setup, kind: &str, path: &str) -> Setup {
    let mut setup = setup.without_namespace(kind).namespace(kind);
    let list = setup.config["linux"]["namespaces"].as_array_mut().unwrap();
    list.last_mut().unwrap()["path"] = json!(path);
    setup
}

#[test]
fn all_namespaces_that_can_be_joined() {
    same(&[
        join(least(), "pid", "@held/pid_for_children"),
        join(least(), "cgroup", "@held/cgroup"),
        join(least(), "cgroup", "@held/cgroup").unified(),
        join(join(least(), "pid", "@held/pid_for_children"), "network", "@held/net"),
        ["network net", "ipc ipc", "uts uts", "pid pid_for_children", "cgroup cgroup"]
            .iter()
            .map(|pair| pair.split_once(' ').unwrap())
            .fold(least(), |setup, (kind, file)| join(setup, kind, &format!("@held/{file}"))),
    ]);
}

#[test]
fn mount_namespace_that_is_joined() {
    same(&[join(least(), "mount", "@fresh/mnt")]);
}

#[test]
fn user_namespace_that_is_joined() {
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    let mapped = linux(json!({ "uidMappings": map, "gidMappings": map }));
    let user = join(mapped, "user", "@fresh/user");
    let fresh = |pairs: &[&str]| {
        let pairs = pairs.iter().map(|pair| pair.split_once(' ').unwrap());
        pairs.fold(user.clone(), |setup, (kind, file)| join(setup, kind, &format!("@fresh/{file}")))
    };
    same(&[
        user.clone(),
        fresh(&["network net", "ipc ipc", "uts uts"]),
        fresh(&["pid pid_for_children", "network net"]),
        fresh(&["cgroup cgroup", "ipc ipc"]),
        fresh(&["network net", "ipc ipc", "uts uts", "pid pid_for_children", "cgroup cgroup"]),
    ]);
}

#[test]
fn without_a_mount_namespace() {
    let bare = || {
        let mut setup = least().without_namespace("mount");
        setup.config["mounts"] = json!([]);
        setup
    };
    same(&[bare(), bare().without_namespace("pid"), least().without_namespace("mount")]);
}

#[test]
fn without_any_namespace() {
    let mut setup = least();
    setup.config["linux"]["namespaces"] = json!([]);
    setup.config["mounts"] = json!([]);
    same(&[setup]);
}
