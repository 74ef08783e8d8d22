//! Nodes and links of `/dev`.

use super::*;

const DEFAULT: [&str; 6] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

fn nodes(case: &Case) -> Vec<String> {
    case.pick(|step| match step {
        Step::Mknod { path, .. } => Some(path.to_str().unwrap().to_owned()),
        _ => None,
    })
}

fn bound(case: &Case) -> Vec<String> {
    case.pick(|step| match step {
        Step::BindDevice { path, .. } => Some(path.to_str().unwrap().to_owned()),
        _ => None,
    })
}

#[test]
fn every_container_has_six_devices_and_six_links() {
    let case = Case::with(json!({}));
    assert_eq!(nodes(&case), DEFAULT);
    assert_eq!(
        case.grep("link /dev/"),
        [
            "link /dev/fd to /proc/self/fd (tolerate EEXIST) []",
            "link /dev/stdin to /proc/self/fd/0 (tolerate EEXIST) []",
            "link /dev/stdout to /proc/self/fd/1 (tolerate EEXIST) []",
            "link /dev/stderr to /proc/self/fd/2 (tolerate EEXIST) []",
            "link /dev/ptmx to pts/ptmx (tolerate EEXIST) []",
            "link /dev/core to /proc/kcore (tolerate EEXIST) []",
        ]
    );
    let without = case.on(Facts { has_kcore: false, ..root_on(UNIFIED) });
    assert_eq!(without.grep("/dev/core"), [""; 0]);
    assert_eq!(without.grep("link /dev/").len(), 5);
}

#[test]
fn nodes_are_as_the_configuration_says() {
    let case = Case::with(json!({ "linux": { "devices": [
        { "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o020640, "uid": 1, "gid": 2 },
        { "path": "/dev//./sda", "type": "b", "major": 8, "minor": 0 },
        { "path": "/run/p", "type": "p" },
        { "path": "/dev/u", "type": "u", "major": 1, "minor": 3, "fileMode": 0 }
    ] } }));
    assert_eq!(
        case.lines()
            .into_iter()
            .filter(|line| line.contains("/linux/devices/"))
            .collect::<Vec<_>>(),
        [
            "make the character device /dev/fuse (10:229, mode 0640, owner 1:2) [/linux/devices/0]",
            "make the block device /dev/sda (8:0, mode 0666; tolerate EEXIST) [/linux/devices/1]",
            "make the fifo /run/p (0:0, mode 0666; tolerate EEXIST) [/linux/devices/2]",
            "make the character device /dev/u (1:3, mode 0000) [/linux/devices/3]",
        ]
    );
}

#[test]
fn a_configured_device_takes_the_place_of_a_default_one() {
    let case = Case::with(json!({ "linux": { "devices": [
        { "path": "/dev//null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600 }
    ] } }));
    assert_eq!(
        case.grep("/dev/null"),
        ["make the character device /dev/null (1:3, mode 0600) [/linux/devices/0]"]
    );
}

#[test]
fn where_no_node_can_be_made_the_hosts_are_shown() {
    let mapping = json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]);
    let made = json!({ "linux": {
        "namespaces": [{ "type": "mount" }, { "type": "user" }],
        "uidMappings": mapping, "gidMappings": mapping,
    } });
    let joined = json!({ "linux": {
        "namespaces": [{ "type": "mount" }, { "type": "user", "path": "/n/user" }]
    } });
    let inside = Facts { is_initial_user_namespace: false, ..root_on(UNIFIED) };
    for case in [Case::with(made), Case::with(joined), Case::with(json!({})).on(inside)] {
        assert_eq!(nodes(&case), [""; 0], "{case:?}");
        assert_eq!(bound(&case), DEFAULT, "{case:?}");
        assert_eq!(case.grep("link /dev/").len(), 6, "{case:?}");
    }
}

#[test]
fn a_node_that_is_there_keeps_its_mode_and_owner_unless_others_are_asked_for() {
    let keeps = |device: Value| {
        let mut whole = json!({ "path": "/dev/a", "type": "c", "major": 1, "minor": 3 });
        merge(&mut whole, device);
        let case = Case::with(json!({ "linux": { "devices": [whole] } }));
        case.pick(|step| match step {
            Step::Mknod { keep, .. } => Some(keep),
            _ => None,
        })
    };
    assert_eq!(keeps(json!({})), [1; 7]);
    for asked in [json!({ "fileMode": 0o666 }), json!({ "uid": 0 }), json!({ "gid": 0 })] {
        assert_eq!(keeps(asked.clone()), [1, 1, 1, 1, 1, 1, 0], "{asked}");
    }
}

#[test]
fn the_hosts_node_must_be_the_device_and_a_fifo_is_made() {
    let mapping = json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]);
    let case = Case::with(json!({ "linux": {
        "namespaces": [{ "type": "mount" }, { "type": "user" }],
        "uidMappings": mapping, "gidMappings": mapping,
        "devices": [
            { "path": "/dev/fuse", "type": "u", "major": 10, "minor": 229, "fileMode": 0o600 },
            { "path": "/dev/sda", "type": "b", "major": 8, "minor": 0 },
            { "path": "/dev/p", "type": "p", "fileMode": 0o600 },
        ]
    } }));
    assert_eq!(
        case.grep("/linux/devices/"),
        [
            "mount the host's character device /dev/fuse (10:229) [/linux/devices/0]",
            "mount the host's block device /dev/sda (8:0) [/linux/devices/1]",
            "make the fifo /dev/p (0:0, mode 0600) [/linux/devices/2]",
        ]
    );
    assert_eq!(case.grep("/dev/tty"), ["mount the host's character device /dev/tty (5:0) []"]);
}

#[test]
fn the_hosts_own_dev_is_left_as_it_is() {
    for (kind, options) in
        [("bind", json!([])), ("none", json!(["rbind"])), ("", json!(["bind", "ro"]))]
    {
        let case = Case::with(json!({
            "mounts": [{ "destination": "/dev/", "type": kind, "source": "/dev", "options": options }]
        }));
        assert_eq!((nodes(&case), bound(&case)), (vec![], vec![]), "{kind}");
        assert_eq!(case.grep("link /dev/"), [""; 0], "{kind}");
    }
    let as_on_the_host = json!({ "mounts": [
        { "destination": "/bundle/rootfs/dev", "type": "bind", "source": "/dev" }
    ] });
    assert_eq!(nodes(&Case::with(as_on_the_host)), [""; 0]);
    let elsewhere = json!({ "mounts": [
        { "destination": "/dev/x", "type": "bind", "source": "/dev" },
        { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" }
    ] });
    assert_eq!(nodes(&Case::with(elsewhere)), DEFAULT);
}

#[test]
fn without_a_mount_namespace_the_hosts_files_are_not_touched() {
    let case = Case::with(json!({ "linux": { "namespaces": [{ "type": "uts" }] } }));
    assert_eq!((nodes(&case), bound(&case)), (vec![], vec![]));
    assert_eq!(case.grep("/dev"), [""; 0]);
    assert_eq!(case.grep("change the root"), ["change the root (no mount namespace) [/root/path]"]);
    assert_eq!(case.grep("make every mount"), [""; 0]);
}
