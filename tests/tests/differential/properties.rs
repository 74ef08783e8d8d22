//! One configuration for each property, so that a failure names it.

use serde_json::{Value, json};

use crate::compare;
use crate::ground::{Ground, Runtime};
use crate::setup::Setup;

/// Both accept each of the setups, and what is seen is the same.
#[track_caller]
pub(crate) fn same(setups: &[Setup]) {
    let Some(ground) = Ground::new() else { return };
    for setup in setups {
        let compared = compare::both(&ground, setup);
        let told: Vec<String> = compared.differences.iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "{}\n{setup}", told.join("\n"));
        assert_eq!(compared.refused, None, "{setup}");
    }
}

pub(crate) fn least() -> Setup {
    Setup::least()
}

/// With another `process`.
fn process(process: Value) -> Setup {
    least().with(json!({ "process": process }))
}

/// With another `linux`.
fn linux(linux: Value) -> Setup {
    least().with(json!({ "linux": linux }))
}

fn resources(resources: Value) -> Setup {
    linux(json!({ "resources": resources }))
}

/// With a device file system, as engines have it.
pub(crate) fn dev() -> Setup {
    let options = ["nosuid", "strictatime", "mode=755", "size=65536k"];
    least().mount("tmpfs", "tmpfs", "/dev", &options)
}

#[test]
fn least_of_all() {
    same(&[least(), least().unified()]);
}

#[test]
fn args() {
    same(&[
        process(json!({ "args": ["probe", "", "two words", "é\n"] })),
        process(json!({ "args": ["bin/../bin/probe"] })),
        process(json!({ "args": ["probe"], "env": ["PATH=/nowhere::/dir:/bin"] })),
    ]);
}

#[test]
fn env() {
    same(&[
        process(json!({ "env": [] })),
        process(json!({ "env": ["A=", "B=x=y", "C= é\n"] })),
        process(json!({ "env": ["HOME=/elsewhere"] })),
    ]);
}

#[test]
fn home_is_that_of_the_user() {
    same(&[
        process(json!({ "user": { "uid": 1000, "gid": 1000 } })),
        process(json!({ "user": { "uid": 7, "gid": 7 } })),
    ]);
}

#[test]
fn cwd() {
    let places = ["/dir", "/link-dir/inner", "/new/place", "/dir/../tmp/."];
    same(&places.map(|place| process(json!({ "cwd": place }))));
}

#[test]
fn user_and_groups() {
    same(&[
        process(json!({ "user": { "uid": 1000, "gid": 7 } })),
        process(json!({ "user": { "uid": 0, "gid": 5, "additionalGids": [1, 1000, 65534] } })),
    ]);
}

#[test]
fn umask() {
    let masks = [0, 0o22, 0o77, 0o777];
    same(&masks.map(|umask| process(json!({ "user": { "umask": umask } }))));
}

#[test]
fn capabilities() {
    let all = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"];
    let of = |uid: u32, sets: Value| {
        process(json!({ "user": { "uid": uid, "gid": 0 }, "capabilities": sets }))
    };
    same(&[
        of(0, json!({ "bounding": all })),
        of(0, json!({ "bounding": all, "permitted": all, "effective": ["CAP_KILL"] })),
        of(1000, json!({ "bounding": all, "permitted": all, "effective": all })),
        of(1000, json!({ "bounding": all, "permitted": all, "inheritable": ["CAP_CHOWN"] })),
        of(1000, json!({ "bounding": all, "permitted": all, "inheritable": all, "ambient": all })),
    ]);
}

#[test]
fn no_new_privileges() {
    same(&[process(json!({ "noNewPrivileges": true }))]);
}

#[test]
fn oom_score_adj() {
    same(&[0, 1, 1000].map(|score| process(json!({ "oomScoreAdj": score }))));
}

#[test]
fn rlimits() {
    let limits = [
        ("RLIMIT_AS", 1 << 30),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_CPU", 100),
        ("RLIMIT_DATA", 1 << 30),
        ("RLIMIT_FSIZE", 1 << 24),
        ("RLIMIT_LOCKS", 7),
        ("RLIMIT_MEMLOCK", 4096),
        ("RLIMIT_MSGQUEUE", 4096),
        ("RLIMIT_NICE", 0),
        ("RLIMIT_NOFILE", 64),
        ("RLIMIT_NPROC", 1000),
        ("RLIMIT_RSS", 1 << 20),
        ("RLIMIT_RTPRIO", 0),
        ("RLIMIT_RTTIME", 1000),
        ("RLIMIT_SIGPENDING", 10),
        ("RLIMIT_STACK", 1 << 20),
    ];
    let all = limits.map(|(kind, limit)| json!({ "type": kind, "soft": limit / 2, "hard": limit }));
    same(&[process(json!({ "rlimits": all }))]);
}

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

#[test]
fn read_only_root() {
    same(&[least().with(json!({ "root": { "readonly": true } }))]);
}

#[test]
fn rootfs_propagation() {
    let kinds = ["private", "rprivate", "slave", "rslave", "shared", "rshared"];
    same(&kinds.map(|kind| {
        let setup = linux(json!({ "rootfsPropagation": kind }));
        setup.mount("bind", "@source/tree", "/dir", &["rbind"])
    }));
}

#[test]
fn usual_mounts() {
    let closed = ["nosuid", "noexec", "nodev"];
    same(&[dev()
        .mount("devpts", "devpts", "/dev/pts", &["newinstance", "ptmxmode=0666", "mode=0620"])
        .mount("tmpfs", "shm", "/dev/shm", &["mode=1777", "size=64k"])
        .mount("mqueue", "mqueue", "/dev/mqueue", &closed)
        .mount("sysfs", "sysfs", "/sys", &["nosuid", "noexec", "nodev", "ro"])]);
}

#[test]
fn cgroup_mounts() {
    let mount = |setup: Setup| {
        let setup = setup.mount("sysfs", "sysfs", "/sys", &["ro"]);
        setup.mount("cgroup", "cgroup", "/sys/fs/cgroup", &["nosuid", "noexec", "nodev", "ro"])
    };
    let own = || least().namespace("cgroup");
    let shared = || linux(json!({ "rootfsPropagation": "shared" }));
    same(&[
        mount(least()),
        mount(own()),
        mount(shared()),
        mount(shared().namespace("cgroup")),
        mount(least().unified()),
        mount(own().unified()),
        mount(shared().unified()),
    ]);
}

#[test]
fn flags_of_a_tmpfs() {
    let flags = [
        "ro",
        "nosuid",
        "nodev",
        "noexec",
        "noatime",
        "nodiratime",
        "relatime",
        "strictatime",
        "sync",
        "dirsync",
    ];
    same(&flags.map(|flag| least().mount("tmpfs", "tmpfs", "/tmp", &[flag])));
}

#[test]
fn options_of_a_tmpfs() {
    let all: [&[&str]; 5] =
        [&["size=64k"], &["uid=1", "gid=5"], &["nr_inodes=500"], &["mode=1777"], &["mode=0700"]];
    // Where it is made: runc before 1.1.8 passes over the mode elsewhere.
    same(&all.map(|options| least().mount("tmpfs", "tmpfs", "/new", options)));
}

#[test]
fn flags_of_a_bind_mount() {
    let flags = [
        "ro",
        "nosuid",
        "nodev",
        "noexec",
        "noatime",
        "nodiratime",
        "relatime",
        "strictatime",
        "rro",
        "rnosuid",
        "rnodev",
        "rnoexec",
        "rnoatime",
        "rnodiratime",
        "defaults",
    ];
    same(&flags.map(|flag| least().mount("bind", "@source/tree", "/dir", &["rbind", flag])));
}

#[test]
fn sources_of_a_bind_mount() {
    same(&[
        least().mount("bind", "@source/folder", "/dir", &["bind"]),
        least().mount("none", "@source/file", "/file", &["bind"]),
        least().mount("", "@source/link", "/dir", &["rbind"]),
        least().mount("bind", "@source/tree", "/dir", &["bind"]),
        least().mount("bind", "@source/flagged", "/dir", &["bind"]),
    ]);
}

#[test]
fn propagation_of_a_mount() {
    let kinds = [
        "private",
        "rprivate",
        "slave",
        "rslave",
        "shared",
        "rshared",
        "unbindable",
        "runbindable",
    ];
    same(&kinds.map(|kind| least().mount("bind", "@source/tree", "/dir", &["rbind", kind])));
}

#[test]
fn destinations() {
    let folders = ["/new/deep", "/link-dir", "/link-abs", "/link-up", "/link-away", "/dir/../tmp"];
    same(&folders.map(|to| least().mount("bind", "@source/folder", to, &["bind"])));
    let files = ["/new/file", "/link-file", "/dir/link"];
    same(&files.map(|to| least().mount("bind", "@source/file", to, &["bind"])));
}

#[test]
fn tmpcopyup() {
    let options: [&[&str]; 3] =
        [&["tmpcopyup"], &["tmpcopyup", "uid=7", "gid=5"], &["tmpcopyup", "ro"]];
    same(&options.map(|options| least().mount("tmpfs", "tmpfs", "/dir", options)));
    same(&["/sticky", "/new"].map(|to| least().mount("tmpfs", "tmpfs", to, &["tmpcopyup"])));
}

#[test]
fn masked_paths() {
    let paths = ["/proc/kcore", "/proc/irq", "/file", "/dir", "/link-file", "/nowhere/below"];
    same(&paths.map(|path| linux(json!({ "maskedPaths": [path] }))));
}

#[test]
fn read_only_paths() {
    let paths = ["/proc/sys", "/proc/sysrq-trigger", "/file", "/dir", "/link-dir", "/nowhere"];
    same(&paths.map(|path| linux(json!({ "readonlyPaths": [path] }))));
}

#[test]
fn devices() {
    let list = json!([
        { "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229 },
        { "path": "/dev/sub/folder/dev", "type": "u", "major": 300, "minor": 7, "fileMode": 0o640 },
        { "path": "/dev/block", "type": "b", "major": 300, "minor": 7, "uid": 1, "gid": 5 },
        { "path": "/dev/fifo", "type": "p", "fileMode": 0o666 },
        { "path": "/dir/zero", "type": "c", "major": 1, "minor": 5, "fileMode": 0 },
    ]);
    same(&[linux(json!({ "devices": list })), dev().with(json!({ "linux": { "devices": list } }))]);
}

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
fn hooks() {
    let hook = |kind: &str| {
        json!([
            { "path": "@probe", "args": ["probe", "hook", kind, "@hooks"] },
            { "path": "@probe", "args": ["x", "hook", kind, "@hooks"], "env": ["A=b"], "timeout": 30 },
        ])
    };
    let kinds = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];
    let setups = kinds.map(|kind| least().with(json!({ "hooks": { kind: hook(kind) } })));
    same(&setups);
    let inside = json!([
        { "path": "/bin/probe", "args": ["probe", "hook", "startContainer", "/tmp/hooks"] },
    ]);
    same(&[least().with(json!({ "hooks": { "startContainer": inside } }))]);
    let annotations = json!({ "org.example.a": "b", "": "" });
    let all: Value = kinds.iter().map(|kind| ((*kind).to_owned(), hook(kind))).collect();
    same(&[least().with(json!({ "hooks": all, "annotations": annotations }))]);
}

#[test]
fn exit_status() {
    let Some(ground) = Ground::new() else { return };
    for code in [0, 1, 127, 255] {
        let setup = process(json!({ "args": ["/bin/probe", format!("exit={code}")] }));
        let codes = [Runtime::Coble, Runtime::Runc].map(|one| ground.exit_status(&setup, one));
        assert_eq!(codes, [Some(code); 2], "{setup}");
    }
}

#[test]
fn terminal() {
    let pts = || dev().mount("devpts", "devpts", "/dev/pts", &["newinstance", "ptmxmode=0666"]);
    let with = |setup: Setup, process: Value| {
        setup.with(json!({ "process": { "terminal": true } })).with(json!({ "process": process }))
    };
    let size = json!({ "consoleSize": { "height": 40, "width": 133 } });
    let user = json!({ "user": { "uid": 1000, "gid": 5 } });
    let engine = || {
        let options = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
        dev().mount("devpts", "devpts", "/dev/pts", &options)
    };
    let mapping = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    let mapped = engine().namespace("user").with(json!({
        "linux": { "uidMappings": mapping, "gidMappings": mapping }
    }));
    same(&[
        with(pts(), json!({})),
        with(pts(), size.clone()),
        with(pts(), user.clone()),
        with(engine(), user.clone()),
        with(mapped, user),
    ]);
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

#[test]
fn options_that_contradict_each_other() {
    let pairs = [
        ["ro", "rw"],
        ["nosuid", "suid"],
        ["nodev", "dev"],
        ["noexec", "exec"],
        ["noatime", "atime"],
        ["noatime", "relatime"],
        ["noatime", "strictatime"],
        ["relatime", "strictatime"],
        ["relatime", "norelatime"],
        ["strictatime", "nostrictatime"],
        ["nodiratime", "diratime"],
    ];
    let orders = pairs.iter().flat_map(|[one, other]| [[*one, *other], [*other, *one]]);
    let setups: Vec<Setup> = orders
        .flat_map(|[one, other]| {
            [
                least().mount("tmpfs", "tmpfs", "/tmp", &[one, other]),
                least().mount("bind", "@source/folder", "/dir", &["bind", one, other]),
            ]
        })
        .collect();
    same(&setups);
}
