//! The host as the runtimes find it: mounts worth binding, namespaces to join, a root file system that is shared.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use coble_tests::{Background, Case, Cmd, wait};
use serde_json::{Value, json};

/// The kinds of namespaces that are held to be joined, by their names in `/proc/PID/ns`.
const HELD: [&str; 5] = ["net", "ipc", "uts", "cgroup", "pid_for_children"];

/// Mounts below the folder of sources. All are gone with the namespace.
const MOUNTS: &str = "
    mount --make-rshared /
    mount -t tmpfs -o size=1m,mode=755 tree tree/inner
    echo inner > tree/inner/file
    mount -t tmpfs -o size=1m,mode=755,nosuid,nodev,noexec,noatime flagged flagged
    echo flagged > flagged/file
    mount --bind folder readonly
    mount -o remount,bind,ro readonly
    mount -t tmpfs -o size=1m,mode=755 private private
    mount --make-private private
";

/// Keeps namespaces that are joined, and not the host's: one of cgroups, one of processes with a first process.
const HOLD: &str =
    "unshare --cgroup --pid --fork --kill-child sh -c 'echo ready; exec sleep 100000'";

/// A mount namespace that stands for a host. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Host {
    holder: Background,
}

impl Host {
    /// A host whose mounts are made in `source`; with cgroup v2 alone if `unified`.
    pub(crate) fn new(case: &Case, source: &Path, unified: bool) -> Self {
        let cgroups = match unified {
            true => "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup\n",
            false => "",
        };
        let line = format!("set -e\n{cgroups}{MOUNTS}\nexec {HOLD}");
        let namespaces = ["--mount", "--net", "--ipc", "--uts", "--propagation", "private"];
        let unshare = case.tool("unshare").args(namespaces).args(["sh", "-c", &line]).cwd(source);
        let mut holder = unshare.spawn();
        holder.says("ready\n");
        Self { holder }
    }

    /// A command on this host.
    pub(crate) fn tool(&self, case: &Case, program: &Path) -> Cmd {
        let mount = format!("--mount=/proc/{}/ns/mnt", self.holder.pid());
        case.tool("nsenter").arg(mount).arg("--").arg(program)
    }

    /// The folder with the links of the namespaces that can be joined.
    pub(crate) fn held(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns", self.holder.pid()))
    }

    /// The host's mount table. One that changes while it is read can lack lines: it is read until it is the same twice.
    pub(crate) fn mounts(&self) -> String {
        let path = format!("/proc/{}/mountinfo", self.holder.pid());
        let read = || fs::read_to_string(&path).unwrap();
        let mut table = read();
        wait::until("a mount table that stays", || {
            let next = read();
            std::mem::replace(&mut table, next.clone()) == next
        });
        table
    }

    /// Unmounts what a container has mounted on a shared mount of the host, as it was asked to.
    pub(crate) fn unmount(&self, case: &Case, point: &str) {
        self.tool(case, Path::new("umount")).args(["-l", point]).output().ok();
    }

    /// Peer groups of the host's mounts, each with a mount point.
    pub(crate) fn groups(&self) -> Value {
        let table = self.mounts();
        let mut groups = BTreeMap::new();
        for line in table.lines() {
            let mut fields = line.split(' ').skip(4);
            let point = fields.next().unwrap();
            if let Some(group) = fields.find_map(|field| field.strip_prefix("shared:")) {
                groups.entry(group).or_insert(point);
            }
        }
        json!(groups)
    }

    /// Links of namespaces, each with the word for whose it is.
    pub(crate) fn namespaces(&self) -> BTreeMap<String, &'static str> {
        let link = |path: String| fs::read_link(path).unwrap().to_string_lossy().into_owned();
        let held = HELD.map(|kind| (link(format!("{}/{kind}", self.held().display())), "held"));
        let own = ["user", "pid", "net", "ipc", "uts", "cgroup", "time"];
        let own = own.map(|kind| (link(format!("/proc/self/ns/{kind}")), "the host's"));
        let mount = (link(format!("{}/mnt", self.held().display())), "the host's");
        held.into_iter().chain(own).chain([mount]).collect()
    }
}

/// Namespaces of a container's own kind, which nobody else is in: of users, with the first id mapped to 100000, and of
/// all else below it. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Fresh {
    holder: Background,
}

impl Fresh {
    /// Makes them on a host.
    pub(crate) fn new(case: &Case, host: &Host) -> Self {
        let all = ["--user", "--mount", "--net", "--ipc", "--uts", "--cgroup", "--pid"];
        let hold = ["--fork", "--kill-child", "sh", "-c", "echo ready; exec sleep 100000"];
        let unshare = host.tool(case, Path::new("unshare")).args(all).args(hold);
        let mut holder = unshare.spawn();
        holder.says("ready\n");
        for map in ["uid_map", "gid_map"] {
            fs::write(format!("/proc/{}/{map}", holder.pid()), "0 100000 65536").unwrap();
        }
        Self { holder }
    }

    /// Their links.
    pub(crate) fn namespaces(&self) -> BTreeMap<String, &'static str> {
        let names = ["user", "mnt", "net", "ipc", "uts", "cgroup", "pid_for_children"];
        let link = |name| fs::read_link(self.links().join(name)).unwrap();
        names.into_iter().map(|name| (link(name).to_string_lossy().into_owned(), "fresh")).collect()
    }

    /// The folder with their links.
    pub(crate) fn links(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns", self.holder.pid()))
    }
}
