//! The runtimes that coble is compared with, and the view of the machine in which all three run.

use std::env;
use std::path::{Path, PathBuf};

use coble_tests::{Background, Case, Cmd, skip};

/// Whose cgroups are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// The one under test.
    Coble,
    /// Of Debian 13: 1.21.
    Crun,
    /// Of Debian 13: 1.1.15.
    Runc,
}

impl Runtime {
    /// Those that coble is compared with.
    pub(crate) const PEERS: [Self; 2] = [Self::Crun, Self::Runc];

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Coble => "coble",
            Self::Crun => "crun",
            Self::Runc => "runc",
        }
    }
}

/// Where `cargo xtask test` keeps them, in the build folder.
fn folder() -> Option<PathBuf> {
    let program = env::current_exe().unwrap();
    let folders = program.ancestors().map(|folder| folder.join("xtask/peers"));
    folders.into_iter().find(|folder| folder.join("usr/bin/crun").exists())
}

/// A mount namespace in which the peers find their own libraries, and cgroup v1 alone where there is v1: crun takes no
/// hybrid layout with controllers in v2. It ends when this is dropped.
///
/// The loader stands among the libraries. A newer one serves what runs in the view otherwise as well.
const VIEW: &str = "set -e
    cd \"$3\"
    mount -t tmpfs -o size=64k devices .
    cd .
    while read -r name kind major minor; do mknod \"$name\" \"$kind\" \"$major\" \"$minor\"; done
    if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
    mount --bind \"$1/$2\" \"/$2\"
    echo ready
    exec sleep 100000";

/// Such a namespace.
pub(crate) struct View {
    folder: PathBuf,
    holder: Background,
}

impl View {
    /// `None`, reported as skipped, without the peers. `devices` are lines of names and of what mknod(1) takes, which are
    /// made in the case's folder of that name: where temporary files are kept there may be none.
    pub(crate) fn new(case: &Case, devices: &str) -> Option<Self> {
        let Some(folder) = folder() else {
            skip(
                "crun and runc of Debian 13 aren't there: `cargo xtask test` as root on Debian fetches them",
            );
            return None;
        };
        let libraries = format!("usr/lib/{}-linux-gnu", env::consts::ARCH);
        let words = ["--mount", "--propagation", "private", "sh", "-c", VIEW, "sh"];
        let unshare = case.tool("unshare").args(words).arg(&folder).arg(libraries);
        let mut holder = unshare.arg(case.folder("devices")).stdin(devices.as_bytes()).spawn();
        holder.says("ready\n");
        Some(Self { folder, holder })
    }

    /// A command of a runtime with a state root of its own.
    pub(crate) fn command(&self, case: &Case, runtime: Runtime, words: &[&str]) -> Cmd {
        let state = match runtime {
            Runtime::Coble => case.state_root(),
            _ => case.dir.join(runtime.name()),
        };
        let program = match runtime {
            Runtime::Coble => case.program().to_owned(),
            Runtime::Crun => self.folder.join("usr/bin/crun"),
            Runtime::Runc => self.folder.join("usr/sbin/runc"),
        };
        self.tool(case, &program).arg("--root").arg(state).args(words)
    }

    /// A program that needs no library of the machine's, in the view.
    pub(crate) fn tool(&self, case: &Case, program: &Path) -> Cmd {
        let mount = format!("--mount=/proc/{}/ns/mnt", self.holder.pid());
        case.tool("nsenter").arg(mount).arg("--").arg(program)
    }
}
