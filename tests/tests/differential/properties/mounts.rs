//! Mounts, devices, and what is masked or read-only.

use serde_json::json;

use super::*;

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
