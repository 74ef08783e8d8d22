//! What Podman runs in: mounts and processes that nobody else sees.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::case::Case;
use crate::cmd::Cmd;
use crate::leftovers;

use super::Cgroups;

/// A shell script because what it makes must not outlive the test, however that ends.
const SCRIPT: &str = include_str!("engine.sh");

/// What is needed beside the binary under test, with the packages that bring it on Debian.
const NEEDED: [(&str, &str); 5] = [
    ("podman", "podman"),
    ("conmon", "conmon"),
    ("busybox", "busybox-static"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
];

/// The namespaces, held by two processes: unshare(1), and what it has started.
#[derive(Debug)]
pub(super) struct Engine {
    holder: Child,
    first: u32,
    cgroups: Cgroups,
    first_mounts: Vec<String>,
}

impl Engine {
    /// Makes them; the reason where that can't be.
    pub(super) fn start(case: &Case, uid: u32, cgroups: Cgroups) -> Result<Self, String> {
        let there = |program: &str| {
            ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
                .iter()
                .any(|dir| Path::new(dir).join(program).exists())
        };
        if let Some((program, package)) = NEEDED.iter().find(|(program, _)| !there(program)) {
            return Err(format!("needs {program} of the package {package}"));
        }
        let mut holder = holder(case, uid, cgroups);
        let ready = holder.stdout.as_mut().expect("its output").read_exact(&mut [0]);
        let first = ready.ok().and_then(|()| child(holder.id()));
        let Some(first) = first else {
            let _ = holder.wait();
            return Err("cgroup v2 can't be mounted in a namespace of its own".to_owned());
        };
        let mut engine = Self { holder, first, cgroups, first_mounts: Vec::new() };
        engine.first_mounts = engine.mounts();
        Ok(engine)
    }

    /// Adds to nsenter(1) what leads into the namespaces and, where one is the user's, into the cgroup.
    pub(super) fn enter(&self, nsenter: Cmd) -> Cmd {
        let target = self.first.to_string();
        let nsenter = nsenter.args(["--target", &target, "--mount", "--pid", "--cgroup"]);
        match self.cgroups {
            Cgroups::Delegated => {
                let join = "echo $$ >/sys/fs/cgroup/user/cgroup.procs && exec \"$@\"";
                nsenter.args(["sh", "-c", join, "sh"])
            }
            _ => nsenter,
        }
    }

    /// A path of the inside, as the test sees it.
    pub(super) fn inside(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.first));
        root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// What there is of a case beside the holders; one line each, which begins with the kind.
    pub(super) fn traces(&self, case: &Case) -> Vec<String> {
        let mut traces = leftovers::processes(&case.id);
        let holders = [self.holder.id(), self.first].map(|pid| format!("process: {pid} "));
        traces.retain(|trace| !holders.iter().any(|holder| trace.starts_with(holder)));
        let cgroups = leftovers::cgroups(&case.id);
        let cgroups = cgroups.iter().filter(|path| !is_parent(path, &case.id));
        traces.extend(cgroups.map(|path| format!("cgroup: {}", path.display())));
        let mut mounts = self.mounts();
        mounts.retain(|point| !self.first_mounts.contains(point));
        traces.extend(mounts.iter().map(|point| format!("mount: {point}")));
        traces
    }

    fn mounts(&self) -> Vec<String> {
        let table = fs::read_to_string(format!("/proc/{}/mountinfo", self.first));
        let table = table.expect("the engine's mount table");
        table.lines().filter_map(|line| line.split(' ').nth(4).map(str::to_owned)).collect()
    }

    /// Ends it all, and removes the cgroups that the test itself is the maker of.
    pub(super) fn stop(&mut self, case: &Case) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
        let cgroups = leftovers::cgroups(&case.id);
        for cgroup in cgroups.iter().rev().filter(|path| is_parent(path, &case.id)) {
            let _ = fs::remove_dir(cgroup);
        }
    }
}

/// Whether it is the cgroup that all containers are in, or one of Podman's own.
fn is_parent(cgroup: &Path, name: &str) -> bool {
    let own = ["", "conmon", "user"].map(|last| Path::new(name).join(last));
    own.iter().any(|own| cgroup.ends_with(own))
}

fn holder(case: &Case, uid: u32, cgroups: Cgroups) -> Child {
    let cgroups = match cgroups {
        Cgroups::Host => "host",
        Cgroups::V2 => "v2",
        Cgroups::Delegated => "delegated",
    };
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"])
        .args(["--mount-proc", "sh", "-c", SCRIPT, "engine.sh"])
        .arg(&case.dir)
        .args([&case.id, &uid.to_string(), cgroups])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    unshare.spawn().expect("unshare")
}

/// The only child of a process.
fn child(pid: u32) -> Option<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?.trim().parse().ok()
}
