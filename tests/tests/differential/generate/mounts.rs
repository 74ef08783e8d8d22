//! `mounts`.

use serde_json::{Value, json};

use super::{Own, one_in, some};
use crate::prng::Prng;
use crate::setup::mount;

/// Folders of the image, links to them, and what isn't there.
const FOLDERS: [&str; 13] = [
    "/tmp",
    "/dir",
    "/dir/inner",
    "/sticky",
    "/run",
    "/new/deep/place",
    "/link-dir",
    "/link-abs",
    "/link-up",
    "/link-away",
    "/link-dir/inner",
    "/dir/../sticky/.",
    "/link-dir/new",
];

const FILES: [&str; 6] =
    ["/file", "/new-file", "/new/deep/file", "/link-file", "/dir/link", "/etc/new"];

/// Options of every mount, and those for all below it as well. Of each group at most one: what two that contradict
/// each other mean isn't said.
const FLAGS: [&[&str]; 6] = [
    &["ro", "rw"],
    &["nosuid", "suid"],
    &["nodev", "dev"],
    &["noexec", "exec"],
    &["noatime", "atime", "relatime", "norelatime", "strictatime", "nostrictatime"],
    &["nodiratime", "diratime"],
];

const RECURSIVE: [&[&str]; 6] = [
    &["rro", "rrw"],
    &["rnosuid", "rsuid"],
    &["rnodev", "rdev"],
    &["rnoexec", "rexec"],
    &["rnoatime", "rrelatime", "rstrictatime"],
    &["rnodiratime", "rdiratime"],
];

/// One of each group with a chance of one in `bound`.
fn flags(random: &mut Prng, bound: usize, groups: &[&[&'static str]]) -> Vec<&'static str> {
    let mut flags: Vec<&str> =
        some(random, bound, groups).iter().map(|group| *random.pick(group)).collect();
    // The order says nothing.
    if one_in(random, 2) {
        flags.reverse();
    }
    flags
}

const PROPAGATION: [&str; 8] =
    ["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"];

pub(super) fn list(random: &mut Prng, own: &Own) -> Value {
    let mut mounts = vec![mount("proc", "proc", "/proc", &some(random, 4, &["nosuid", "nodev"]))];
    // A proc of another pid namespace can't be mounted.
    if own.user && !own.pid {
        mounts = vec![mount("bind", "/proc", "/proc", &["rbind"])];
    }
    let usual = [
        (
            true,
            mount("tmpfs", "tmpfs", "/dev", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        ),
        (
            true,
            mount(
                "devpts",
                "devpts",
                "/dev/pts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666"],
            ),
        ),
        (
            true,
            mount(
                "tmpfs",
                "shm",
                "/dev/shm",
                &["nosuid", "noexec", "nodev", "mode=1777", "size=64k"],
            ),
        ),
        (own.ipc, mount("mqueue", "mqueue", "/dev/mqueue", &["nosuid", "noexec", "nodev"])),
        (own.network, mount("sysfs", "sysfs", "/sys", &["nosuid", "noexec", "nodev", "ro"])),
        (
            true,
            mount(
                "cgroup",
                "cgroup",
                "/sys/fs/cgroup",
                &["nosuid", "noexec", "nodev", "relatime", "ro"],
            ),
        ),
    ];
    for (possible, mount) in usual {
        if possible && !one_in(random, 3) {
            mounts.push(mount);
        }
    }
    for _ in 0..random.below(4) {
        let new = if one_in(random, 2) { tmpfs(random) } else { bind(random, own) };
        mounts.push(new);
    }
    json!(mounts)
}

fn tmpfs(random: &mut Prng) -> Value {
    let mut options = flags(random, 5, &FLAGS);
    if one_in(random, 3) {
        options.push(*random.pick(&["mode=1777", "mode=0700", "mode=755"]));
    }
    options.extend(some(random, 4, &["size=64k", "uid=1", "gid=5", "nr_inodes=500"]));
    options.extend(some(random, 4, &["tmpcopyup"]));
    let source = *random.pick(&["tmpfs", "none", "x"]);
    let to = *random.pick(&FOLDERS);
    mount("tmpfs", source, to, &options)
}

fn bind(random: &mut Prng, own: &Own) -> Value {
    let folders = ["folder", "tree", "tree/inner", "flagged", "readonly", "private", "link"];
    let (source, to) = match one_in(random, 3) {
        true => (*random.pick(&["file", "folder/file", "tree/inner/file"]), *random.pick(&FILES)),
        false => (*random.pick(&folders), *random.pick(&FOLDERS)),
    };
    let mut options = vec![*random.pick(&["bind", "rbind"])];
    // A user namespace can't uncover what is below a mount, nor change what the host's mounts are.
    if own.user {
        options = vec!["rbind"];
        options.extend(some(random, 4, &["ro", "nosuid", "nodev", "noexec"]));
        let source = source.replace("flagged", "folder").replace("readonly", "folder");
        return mount("bind", &format!("@source/{source}"), to, &options);
    }
    match one_in(random, 4) {
        true => options.extend(flags(random, 4, &RECURSIVE)),
        false => options.extend(flags(random, 6, &FLAGS)),
    }
    options.extend(some(random, 8, &["defaults"]));
    if one_in(random, 3) {
        options.push(*random.pick(&PROPAGATION));
    }
    let kind = *random.pick(&["bind", "none", ""]);
    mount(kind, &format!("@source/{source}"), to, &options)
}
