//! The root and the mounts below it.

use coble_plan::mount as bits;

use super::*;
use crate::mount_options::{attr, ms};

fn mounts(list: Value) -> Case {
    Case::with(json!({ "mounts": list }))
}

fn one(kind: &str, options: &[&str]) -> Case {
    mounts(json!([{ "destination": "/m", "type": kind, "source": "/s", "options": options }]))
}

/// The lines that come from the first mount.
pub(super) fn lines(case: &Case) -> Vec<String> {
    case.grep("[/mounts/0]")
        .iter()
        .map(|line| line.strip_suffix(" [/mounts/0]").unwrap().to_owned())
        .collect()
}

/// Name, attributes and flags of the steps that mount.
pub(super) fn raw(case: &Case) -> Vec<(&'static str, u64, u64, u32)> {
    case.pick(|step| {
        let name = step.name();
        match step {
            Step::MountFs { attributes, flags, .. } => Some((name, attributes, 0, flags)),
            Step::MountClassic { ms_flags, flags, .. } => Some((name, ms_flags, 0, flags)),
            Step::MountBind { set, clear, flags, .. } | Step::Remount { set, clear, flags, .. } => {
                Some((name, set, clear, flags))
            }
            _ => None,
        }
    })
}

#[test]
fn mounts_keep_their_order_and_their_paths_are_cleaned() {
    let case = mounts(json!([
        { "destination": "b//c/", "type": "tmpfs", "source": "tmpfs" },
        { "destination": "/a/../../x", "type": "bind", "source": "data" },
        { "destination": "/b", "type": "bind", "source": "/data", "options": ["rbind", "ro", "noatime"] }
    ]));
    assert_eq!(
        case.grep("mount ")
            .into_iter()
            .filter(|line| line.contains("/mounts/"))
            .collect::<Vec<_>>(),
        [
            "mount tmpfs on /b/c [/mounts/0]",
            "mount the host's /bundle/data on /x [/mounts/1]",
            "mount the host's /data and all below on /b ro noatime [/mounts/2]",
        ]
    );
}

#[test]
fn a_destination_may_be_the_path_on_the_host() {
    let at = |destination: &str| {
        mounts(json!([{ "destination": destination, "type": "tmpfs", "source": "tmpfs" }]))
    };
    for (destination, inside) in [
        ("/bundle/rootfs/data", "/data"),
        ("/bundle//rootfs/./a/../data/", "/data"),
        ("/bundle/rootfs", "/"),
        ("/bundle/rootfs2", "/bundle/rootfs2"),
        ("/bundle/rootfs/../x", "/bundle/x"),
        ("bundle/rootfs/bundle/rootfs", "/bundle/rootfs"),
    ] {
        assert_eq!(lines(&at(destination)), [format!("mount tmpfs on {inside}")], "{destination}");
    }
}

#[test]
fn a_path_is_masked_and_made_read_only_once() {
    let paths = json!(["/a/b", "/c", "/a//b/", "/c"]);
    let case = Case::with(json!({ "linux": { "maskedPaths": paths, "readonlyPaths": paths } }));
    let lines = |list| case.grep(list).len();
    assert_eq!((lines("/linux/maskedPaths"), lines("/linux/readonlyPaths")), (2, 2));
    assert_eq!((lines("/linux/maskedPaths/0"), lines("/linux/maskedPaths/1")), (1, 1));
}

#[test]
fn a_source_that_the_parent_holds_is_named_right_before_its_mount() {
    let case = mounts(json!([
        { "destination": "/a", "type": "tmpfs", "source": "tmpfs" },
        { "destination": "/b", "type": "bind", "source": "data" },
    ]));
    let case = Case { sources: vec![None, Some(7)], ..case };
    assert_eq!(
        case.grep("[/mounts/1]"),
        [
            "hold the host's /bundle/data [/mounts/1]",
            "mount the host's /bundle/data on /b [/mounts/1]",
        ]
    );
    let held = case.pick(|step| match step {
        Step::HoldSource { fd, .. } => Some(fd),
        _ => None,
    });
    assert_eq!(held, [7]);
}

/// A plain user's runtime could not follow the path either.
#[test]
fn a_source_is_asked_for_by_a_user_namespace_that_root_makes() {
    let config = json!({
        "linux": {
            "namespaces": [{ "type": "mount" }, { "type": "user" }],
            "uidMappings": [{ "containerID": 0, "hostID": 1000, "size": 1 }],
            "gidMappings": [{ "containerID": 0, "hostID": 1000, "size": 1 }],
        },
        "mounts": [{ "destination": "/b", "type": "bind", "source": "/data" }],
    });
    let asks = |case: Case| raw(&case)[0].3 & bits::ASK_SOURCE != 0;
    assert!(asks(Case::with(config.clone()).on(root_on(UNIFIED))));
    assert!(!asks(Case::with(config).on(Facts { uid: 1000, ..root_on(UNIFIED) })));
    assert!(!asks(one("bind", &[])));
}

#[test]
fn options_go_to_who_takes_them() {
    let case = one("ext4", &["nosuid,nodev", "sync", "data=ordered", "ro", "strictatime", "slave"]);
    assert_eq!(
        lines(&case),
        ["mount ext4 on /m (data=ordered, sync, read-only) ro nosuid nodev strictatime, slave"]
    );
    let set = attr::RDONLY | attr::NOSUID | attr::NODEV | attr::STRICTATIME;
    assert_eq!(raw(&case), [("MountFs", set, 0, bits::SUPERBLOCK_RDONLY)]);
}

#[test]
fn a_read_only_tmpfs_is_filled_first() {
    let case = mounts(json!([
        { "destination": "/m", "type": "tmpfs", "source": "tmpfs", "options": ["ro", "nosuid"] },
        { "destination": "/m/x", "type": "bind", "source": "/x" }
    ]));
    assert_order(
        &case.lines(),
        &[
            "mount tmpfs on /m nosuid [/mounts/0]",
            "mount the host's /x on /m/x [/mounts/1]",
            "change the mount on /m ro [/mounts/0]",
            "change the root",
        ],
    );
    let attributes: Vec<u64> = raw(&case).iter().map(|(_, set, ..)| *set).collect();
    assert_eq!(attributes, [attr::NOSUID, 0, attr::RDONLY]);
}

#[test]
fn a_read_only_dev_is_filled_first() {
    for (kind, options) in [("tmpfs", vec!["ro"]), ("ext4", vec!["ro"]), ("overlay", vec!["ro"])] {
        let case = mounts(json!([
            { "destination": "/dev/.", "type": kind, "source": "s", "options": options }
        ]));
        assert_order(
            &case.lines(),
            &[
                "on /dev",
                "make the character device /dev/null",
                "change the mount on /dev ro [/mounts/0]",
                "change the root",
            ],
        );
        let (_, first, _, flags) = raw(&case)[0];
        assert_eq!(first & attr::RDONLY, 0, "{kind}: nothing could be made in it");
        assert_eq!(flags & bits::SUPERBLOCK_RDONLY, 0, "{kind}");
    }
}

#[test]
fn a_tmpfs_without_a_mode_takes_over_that_of_what_it_covers() {
    let flags = |kind, options: &[&str]| raw(&one(kind, options))[0].3;
    assert_eq!(flags("tmpfs", &["size=1m"]), bits::INHERIT_MODE);
    assert_eq!(flags("tmpfs", &["mode=700"]), 0);
    assert_eq!(flags("tmpfs", &["tmpcopyup"]), bits::INHERIT_MODE | bits::COPY_UP);
    assert_eq!(flags("ramfs", &[]), 0);
}

#[test]
fn what_fsconfig_can_not_take_goes_through_mount() {
    let long = format!("x={}", "y".repeat(255));
    let longer = format!("{long}y");
    assert_eq!(raw(&one("ext4", &[&long]))[0].0, "MountFs");
    assert_eq!(
        raw(&one("ext4", &[&longer, "noexec", "sync"])),
        [("MountClassic", ms::NOEXEC | ms::SYNCHRONOUS, 0, 0)]
    );
    assert_eq!(
        raw(&one("ext4", &["iversion", "ro"])),
        [("MountClassic", ms::I_VERSION | ms::RDONLY, 0, 0)]
    );
    let overlay = one("overlay", &["lowerdir=/a\\,b:/c", "upperdir=/u", "workdir=/w", "nosuid"]);
    let lines = lines(&overlay);
    assert_eq!(lines, ["mount overlay on /m (lowerdir=/a\\,b:/c,upperdir=/u,workdir=/w)"]);
    assert_eq!(raw(&overlay), [("MountClassic", ms::NOSUID, 0, 0)]);
}

#[test]
fn a_copy_that_mount_can_not_make_is_refused() {
    let long = format!("mpol={}", "y".repeat(256));
    let error = one("tmpfs", &["tmpcopyup", &long]).compile().unwrap_err().to_string();
    assert!(error.starts_with("config.json: /mounts/0/options: "), "{error}");
}

#[test]
fn propagation_is_applied_one_by_one() {
    let case = one("bind", &["slave", "rshared"]);
    assert_eq!(
        lines(&case),
        ["mount the host's /s on /m, slave", "change the mount on /m, rshared"]
    );
    assert_eq!(lines(&one("proc", &["private"])), ["mount proc on /m, private"]);
}

#[test]
fn a_remount_changes_what_is_there() {
    let case = one("none", &["remount", "ro", "noatime", "exec", "shared"]);
    assert_eq!(lines(&case), ["change the mount on /m ro exec noatime, shared"]);
    let set = attr::RDONLY | attr::NOATIME;
    assert_eq!(raw(&case), [("Remount", set, attr::NOEXEC | attr::ATIME, 0)]);
}

#[test]
fn a_remount_reaches_what_lies_below_too() {
    let case = one("none", &["remount", "nodev", "rro", "rnoatime"]);
    assert_eq!(
        lines(&case),
        ["change the mount on /m nodev", "change the mount on /m and all below ro noatime"]
    );
    let below = ("Remount", attr::RDONLY | attr::NOATIME, attr::ATIME, bits::RECURSIVE);
    assert_eq!(raw(&case), [("Remount", attr::NODEV, 0, 0), below]);
}

#[test]
fn attributes_of_all_that_lies_below_a_new_file_system_are_its_own() {
    let case = one("mqueue", &["rw", "nodev", "exec", "rro", "rdev", "rnoexec", "rnoatime"]);
    assert_eq!(lines(&case), ["mount mqueue on /m (rw) ro noexec noatime"]);
    let read_only = one("tmpfs", &["mode=755", "rro"]);
    assert_eq!(
        lines(&read_only),
        ["mount tmpfs on /m (mode=755)", "change the mount on /m ro"],
        "it is filled first"
    );
    let through_mount = one("overlay", &["lowerdir=/a", "rnosuid", "rstrictatime"]);
    let flags = ms::NOSUID | ms::STRICTATIME;
    assert_eq!(raw(&through_mount), [("MountClassic", flags, 0, 0)]);
    let old = Facts { has_mount_setattr: false, ..root_on(UNIFIED) };
    assert_eq!(lines(&one("mqueue", &["rro"]).on(old)), ["mount mqueue on /m ro"]);
}

#[test]
fn attributes_of_all_that_lies_below_are_apart() {
    let case = one("bind", &["rbind", "nodev", "rro", "rexec"]);
    assert_eq!(lines(&case), ["mount the host's /s and all below on /m nodev, all of it ro exec"]);
    assert_eq!(raw(&case), [("MountBind", attr::NODEV, 0, bits::RECURSIVE)]);
}

#[test]
fn without_mount_setattr_what_lies_below_can_not_be_changed() {
    let old = Facts { has_mount_setattr: false, ..root_on(UNIFIED) };
    for (kind, options) in [("bind", ["rbind", "rro"]), ("none", ["remount", "rro"])] {
        let error = one(kind, &options).on(old.clone()).compile().unwrap_err().to_string();
        assert!(error.starts_with("config.json: /mounts/0/options: "), "{error}");
    }
    let case = one("bind", &["rbind", "ro"]).on(old.clone());
    assert_eq!(raw(&case)[0].3, bits::RECURSIVE | bits::CLASSIC_ATTRIBUTES);
    let restricted = Case::with(json!({
        "root": { "readonly": true }, "linux": { "readonlyPaths": ["/proc/sys"] }
    }));
    let flags = restricted.on(old).pick(|step| match step {
        Step::ReadonlyPath { flags, .. } | Step::ReadonlyRoot { flags } => Some(flags),
        _ => None,
    });
    assert_eq!(flags, [bits::CLASSIC_ATTRIBUTES; 2]);
}

fn on(destination: &str, kind: &str, options: &[&str]) -> Case {
    mounts(
        json!([{ "destination": destination, "type": kind, "source": "/s", "options": options }]),
    )
}

#[test]
fn only_some_files_of_proc_may_be_covered() {
    let flags = |destination: &str, kind: &str| raw(&on(destination, kind, &[]))[0].3;
    assert_eq!(flags("/proc", "proc"), bits::NO_SYMLINKS | bits::OVER_PROC);
    assert_eq!(flags("/mnt/proc", "proc"), bits::NO_SYMLINKS | bits::OVER_PROC);
    assert_eq!(flags("/sys", "sysfs"), bits::NO_SYMLINKS);
    assert_eq!(flags("/proc/uptime", "bind"), bits::OVER_PROC);
    assert_eq!(flags("/proc//./loadavg", "bind"), bits::OVER_PROC);
    assert_eq!(flags("/proc", "bind"), bits::OVER_PROC | bits::ONLY_PROCFS);
    for path in ["/PROC/uptime", "/procs", "/procs/x", "/x/proc"] {
        assert_eq!(flags(path, "bind"), 0, "{path}");
    }
}

#[test]
fn what_would_forge_proc_is_refused() {
    let inside = "cannot be mounted because it is inside /proc";
    let kind = "cannot be mounted because it is not of type proc";
    for (path, fstype, options, words) in [
        ("/proc/1/uptime", "bind", &[][..], inside),
        ("/proc/self", "none", &["rbind"], inside),
        ("/proc/uptime/x", "bind", &[], inside),
        ("/proc/net/dev", "bind", &[], inside),
        ("proc/x", "tmpfs", &[], inside),
        ("/proc/sys", "proc", &[], inside),
        ("//proc/", "tmpfs", &[], kind),
        ("/proc", "sysfs", &[], kind),
    ] {
        let error = on(path, fstype, options).compile().unwrap_err().to_string();
        assert!(error.starts_with("config.json: /mounts/0/destination: "), "{error}");
        assert!(error.ends_with(words), "{error}");
    }
    on("/proc/sys", "", &["remount", "ro"]).compile().unwrap();
}

#[test]
fn wrong_options_are_refused_by_place() {
    for options in [&["=x"][..], &["bind", "ridmap=1"]] {
        let case = one("bind", options);
        let error = case.compile().unwrap_err().to_string();
        assert!(error.starts_with("config.json: /mounts/0/options: mount option "), "{error}");
        let pointer = crate::validate(&case.spec).unwrap_err().pointer;
        assert!(pointer.starts_with("/mounts/0/options/"), "{pointer}");
    }
}

fn mapped(kind: &str, options: &[&str]) -> Case {
    mounts(json!([{
        "destination": "/m", "type": kind, "source": "/s", "options": options,
        "uidMappings": [
            { "containerID": 0, "hostID": 1000, "size": 5 }, { "containerID": 9, "hostID": 3, "size": 1 }
        ],
        "gidMappings": [{ "containerID": 0, "hostID": 2000, "size": 5 }]
    }]))
}

#[test]
fn ids_are_mapped_of_the_mount_that_follows() {
    let map = "users 0 1000 5, 9 3 1; groups 0 2000 5";
    let case = mapped("bind", &["rbind", "ridmap"]);
    let mount = "mount the host's /s and all below on /m";
    let all = "let the parent map the ids of the next mount and all below";
    assert_eq!(lines(&case), [format!("{all}: {map}"), mount.to_owned()]);
    let case = Case { sources: vec![Some(7)], ..case };
    assert_eq!(lines(&case)[1], "hold the host's /s");
    let one = "let the parent map the ids of the next mount";
    let tmpfs = mapped("tmpfs", &[]);
    assert_eq!(lines(&tmpfs), [format!("{one}: {map}"), "mount tmpfs on /m".to_owned()]);
    let map = json!([{ "containerID": 0, "hostID": 1000, "size": 5 }]);
    let users = json!({ "linux": {
        "namespaces": [{ "type": "mount" }, { "type": "user" }], "uidMappings": map, "gidMappings": map
    } });
    let mut own = one_mount(&["bind", "idmap"]);
    merge(&mut own, users);
    let own = Case::with(own);
    assert_eq!(lines(&own)[0], format!("{one}: as the container's user namespace does"));
    assert_eq!(own.grep("map the ids").len(), 1);
}

fn one_mount(options: &[&str]) -> Value {
    json!({ "mounts": [{ "destination": "/m", "source": "/s", "options": options }] })
}

#[test]
fn what_can_not_be_mapped_is_refused() {
    let refusal = |case: Case| {
        let error = case.compile().unwrap_err().to_string();
        assert!(error.starts_with("config.json: /mounts/0/options: "), "{error}");
        error
    };
    let old = Facts { has_mount_setattr: false, ..root_on(UNIFIED) };
    assert!(refusal(mapped("bind", &["bind"]).on(old)).contains("Linux 5.12"));
    let rootless = "id-mapped mounts are not supported for rootless containers";
    assert!(refusal(mapped("bind", &["bind"]).on(user_on(UNIFIED))).contains(rootless));
    for (kind, option) in [("overlay", "lowerdir=/a"), ("ext4", "iversion")] {
        assert!(refusal(mapped(kind, &[option])).contains(kind));
    }
}

#[test]
fn paths_are_closed_after_everything_is_mounted() {
    let case = Case::with(json!({
        "root": { "readonly": true },
        "mounts": [{ "destination": "/proc", "type": "proc", "source": "proc" }],
        "linux": { "maskedPaths": ["/proc//kcore"], "readonlyPaths": ["/proc/sys", "/proc/x/../bus"] }
    }));
    assert_order(
        &case.lines(),
        &[
            "mount proc on /proc",
            "link /dev/ptmx",
            "make /proc/sys read-only (tolerate ENOENT) [/linux/readonlyPaths/0]",
            "make /proc/bus read-only (tolerate ENOENT) [/linux/readonlyPaths/1]",
            "mask /proc/kcore (tolerate ENOENT) [/linux/maskedPaths/0]",
            "make the root read-only [/root/readonly]",
            "change the root and drop the old one [/root/path]",
        ],
    );
}

fn propagation(name: &str) -> Vec<String> {
    Case::with(json!({ "linux": { "rootfsPropagation": name } }))
        .lines()
        .into_iter()
        .filter(|line| {
            line.contains("make the mount")
                || line.contains("make every")
                || line.contains("make the root")
        })
        .collect()
}

#[test]
fn the_hosts_mounts_are_kept_apart() {
    let every = |how| format!("make every mount {how} [/linux/rootfsPropagation]");
    let parent =
        |how| format!("make the mount that holds /bundle/rootfs {how} [/linux/rootfsPropagation]");
    let root = |how| format!("make the root {how} [/linux/rootfsPropagation]");
    assert_eq!(propagation(""), ["make every mount rslave []"]);
    for how in ["rslave", "rprivate"] {
        assert_eq!(propagation(how), [every(how)]);
    }
    for how in ["slave", "private"] {
        assert_eq!(propagation(how), [every(how), parent(how)]);
    }
    for how in ["shared", "rshared"] {
        assert_eq!(propagation(how), [every(how), parent("private"), root(how)]);
    }
    for how in ["unbindable", "runbindable"] {
        assert_eq!(propagation(how), [every("rprivate"), root(how)]);
    }
}

#[test]
fn without_pivot_root_what_shows_the_kernel_is_hidden() {
    let mut case = Case::with(json!({}));
    case.options.no_pivot = true;
    case.options.host_mounts =
        ["/srv/a/proc", "/bundle/rootfs/proc", "/bundle/rootfs2/proc", "/proc", "/sys"]
            .map(PathBuf::from)
            .to_vec();
    assert_order(
        &case.lines(),
        &[
            "hide the host's mount on /srv/a/proc []",
            "hide the host's mount on /bundle/rootfs2/proc []",
            "hide the host's mount on /proc []",
            "hide the host's mount on /sys []",
            "move the root over / (no pivot_root) [/root/path]",
        ],
    );
    assert_eq!(case.grep("/bundle/rootfs/proc"), [""; 0]);
    assert_eq!(case.grep("drop the old one"), [""; 0]);
    case.options.no_pivot = false;
    assert_eq!(case.grep("hide"), [""; 0]);
}
