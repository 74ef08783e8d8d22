//! `/sys/fs/cgroup` as the container sees it.

use super::mounts::{lines, raw};
use super::*;
use crate::mount_options::attr;

/// A mount of the type `cgroup` and these namespaces besides that of the mounts.
fn cgroup(kind: &str, options: &[&str], kinds: &[(&str, &str)]) -> Case {
    let mut namespaces = vec![json!({ "type": "mount" })];
    namespaces.extend(kinds.iter().map(|(kind, path)| json!({ "type": kind, "path": path })));
    let makes_user = kinds.contains(&("user", ""));
    let mappings = if makes_user {
        json!([{ "containerID": 0, "hostID": 1000, "size": 1 }])
    } else {
        json!([])
    };
    Case::with(json!({
        "mounts": [
            { "destination": "/sys/fs/cgroup/", "type": kind, "source": "cgroup", "options": options }
        ],
        "linux": {
            "namespaces": namespaces, "cgroupsPath": "/pod/box",
            "uidMappings": mappings, "gidMappings": mappings
        }
    }))
}

#[test]
fn cgroup2_shows_what_the_cgroup_namespace_has() {
    let new = "mount cgroup2 on /sys/fs/cgroup ro nosuid";
    for kind in ["cgroup", "cgroup2"] {
        let made = cgroup(kind, &["ro", "nosuid"], &[("cgroup", "")]);
        assert_eq!(lines(&made), [new]);
        let joined = cgroup(kind, &["ro", "nosuid"], &[("cgroup", "/n/cgroup")]);
        assert_eq!(lines(&joined), [new]);
        let user = cgroup(kind, &["ro", "nosuid"], &[("cgroup", ""), ("user", "")]);
        assert_eq!(lines(&user), [new]);
        assert_eq!(lines(&user.on(user_on(UNIFIED))), [new]);
    }
}

#[test]
fn cgroup2_without_a_cgroup_namespace_is_the_hosts() {
    let host = "mount the host's /sys/fs/cgroup and all below on /sys/fs/cgroup";
    assert_eq!(lines(&cgroup("cgroup", &["ro"], &[])), [format!("{host} ro")]);
    assert_eq!(lines(&cgroup("cgroup", &["rw"], &[])), [host]);
    // Whoever is root there may be the owner of other cgroups of the host.
    let read_only = format!("{host}, all of it ro");
    for case in [
        cgroup("cgroup", &["rw"], &[("user", "")]),
        cgroup("cgroup", &["rw"], &[("user", "/n/user")]),
        cgroup("cgroup", &["rw"], &[]).on(user_on(UNIFIED)),
    ] {
        assert_eq!(lines(&case), [&*read_only], "{case:?}");
    }
}

#[test]
fn who_does_not_own_the_cgroup_namespace_sees_its_own_cgroup() {
    let own = "mount the host's /sys/fs/cgroup/pod/box and all below on /sys/fs/cgroup";
    for case in [
        cgroup("cgroup", &["rw"], &[("cgroup", ""), ("user", "/n/user")]),
        cgroup("cgroup", &["rw"], &[("cgroup", "/n/cgroup"), ("user", "")]),
        cgroup("cgroup", &["rw"], &[("cgroup", "")]).on(user_on(UNIFIED)),
    ] {
        assert_eq!(lines(&case), [own], "{case:?}");
    }
}

#[test]
fn an_access_time_mode_of_the_hosts_cgroups_replaces_the_one_before() {
    let raw = |option| raw(&cgroup("cgroup", &[option], &[]))[0];
    assert_eq!(raw("noatime").1, attr::NOATIME);
    assert_eq!(raw("noatime").2, attr::ATIME, "the kernel refuses one that is not cleared");
    assert_eq!((raw("relatime").1, raw("relatime").2), (0, 0));
}

#[test]
fn options_of_cgroups_go_to_what_is_mounted_or_are_refused() {
    let refusal = |options: &[&str], kinds: &[(&str, &str)], facts: Facts| {
        let error = cgroup("cgroup", options, kinds).on(facts).compile().unwrap_err().to_string();
        assert!(error.starts_with("config.json: /mounts/0/options: "), "{error}");
        error
    };
    // The whole hierarchy's, which engines copy from the host: it is so, or is not, whoever mounts it.
    let options = ["nsdelegate", "memory_recursiveprot", "rw"];
    for kinds in [&[][..], &[("cgroup", "")]] {
        let plain = lines(&cgroup("cgroup", &["rw"], kinds));
        assert_eq!(lines(&cgroup("cgroup", &options, kinds)), plain);
    }
    let new = cgroup("cgroup2", &["foo=1", "sync"], &[("cgroup", "")]);
    assert_eq!(lines(&new), ["mount cgroup2 on /sys/fs/cgroup (foo=1, sync)"]);
    assert!(refusal(&["foo=1"], &[], root_on(UNIFIED)).ends_with("\"foo=1\""));
    assert!(refusal(&["sync"], &[], root_on(WITHOUT)).ends_with("\"sync\""));
    refusal(&["iversion"], &[("cgroup", "")], root_on(UNIFIED));
    let legacy =
        |options: &[&str]| lines(&cgroup("cgroup", options, &[]).on(root_on(LEGACY))).remove(0);
    let tmpfs = "mount tmpfs on /sys/fs/cgroup";
    assert_eq!(legacy(&["nsdelegate"]), format!("{tmpfs} (mode=755)"));
    assert_eq!(legacy(&["size=4k", "mode=700"]), format!("{tmpfs} (size=4k, mode=700)"));
}

#[test]
fn recursive_attributes_of_cgroups() {
    let host = "mount the host's /sys/fs/cgroup and all below on /sys/fs/cgroup";
    assert_eq!(lines(&cgroup("cgroup", &["rro"], &[])), [format!("{host} ro, all of it ro")]);
    // What must be read-only stays so.
    let user = cgroup("cgroup", &["rrw", "rnodev"], &[("user", "")]);
    assert_eq!(lines(&user), [format!("{host} nodev, all of it ro nodev")]);
    let new = cgroup("cgroup", &["rro"], &[("cgroup", "")]);
    assert_eq!(lines(&new), ["mount cgroup2 on /sys/fs/cgroup ro"]);
    let legacy = lines(&cgroup("cgroup", &["rro"], &[]).on(root_on(LEGACY)));
    assert_eq!(legacy.last().unwrap(), "change the mount on /sys/fs/cgroup ro");
}

#[test]
fn cgroup_v1_is_a_directory_of_hierarchies() {
    let case = cgroup("cgroup", &["ro", "nosuid", "relatime"], &[]).on(root_on(LEGACY));
    assert_eq!(
        lines(&case),
        [
            "mount tmpfs on /sys/fs/cgroup (mode=755) nosuid",
            "mount the host's /sys/fs/cgroup/memory/pod/box on /sys/fs/cgroup/memory ro nosuid relatime",
            "mount the host's /sys/fs/cgroup/cpu,cpuacct/pod/box on /sys/fs/cgroup/cpu,cpuacct ro nosuid relatime",
            "link /sys/fs/cgroup/cpu to cpu,cpuacct (tolerate EEXIST)",
            "link /sys/fs/cgroup/cpuacct to cpu,cpuacct (tolerate EEXIST)",
            "mount the host's /sys/fs/cgroup/systemd/pod/box on /sys/fs/cgroup/systemd ro nosuid relatime",
            "change the mount on /sys/fs/cgroup ro",
        ]
    );
    let writable = cgroup("cgroup", &["rw"], &[]).on(root_on(LEGACY));
    assert_eq!(writable.grep("change the mount"), [""; 0]);
}

#[test]
fn the_hierarchies_follow_a_destination_written_as_on_the_host() {
    let inside = cgroup("cgroup", &["ro"], &[]).on(root_on(LEGACY));
    let mut outside = inside.clone();
    let mount = &mut outside.spec.mounts[0].destination;
    mount.insert_str(0, "/bundle/rootfs");
    assert_eq!(lines(&outside), lines(&inside));
}

#[test]
fn a_hybrid_host_shows_both_versions() {
    let case = cgroup("cgroup", &[], &[("cgroup", "")]).on(root_on(HYBRID));
    assert_eq!(
        lines(&case),
        [
            "mount tmpfs on /sys/fs/cgroup (mode=755)",
            "mount the host's /sys/fs/cgroup/memory/pod/box on /sys/fs/cgroup/memory",
            "mount the host's /sys/fs/cgroup/pids/pod/box on /sys/fs/cgroup/pids",
            "mount the host's /sys/fs/cgroup/unified/pod/box on /sys/fs/cgroup/unified",
        ]
    );
}

#[test]
fn without_cgroups_the_hosts_directory_is_shown() {
    let case = cgroup("cgroup", &["nodev"], &[]).on(root_on(WITHOUT));
    assert_eq!(
        lines(&case),
        ["mount the host's /sys/fs/cgroup and all below on /sys/fs/cgroup nodev"]
    );
}
