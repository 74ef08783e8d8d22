//! A view of the machine for many commands: mounts that nobody else sees.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Child, Command, Stdio};

use crate::case::Case;
use crate::cmd::Cmd;

/// Makes [`View::v2`].
pub const V2: &str = "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup";

/// A mount namespace, held by a process that is none of the case's.
#[derive(Debug)]
pub struct View(Child);

impl View {
    /// Where `/sys/fs/cgroup` is pure cgroup v2; `None`, reported as skipped, where that can't be had.
    /// [`Case::coble_v2`] makes one for each command, which takes longer.
    ///
    /// # Panics
    /// When it can, and the runtime fails in it.
    #[must_use]
    pub fn v2(case: &Case) -> Option<Self> {
        case.has_v2().then(|| Self::of(V2)).flatten()
    }

    /// Where this line for the shell has mounted something; `None` if it fails.
    ///
    /// # Panics
    /// When there are no namespaces.
    #[must_use]
    pub fn of(line: &str) -> Option<Self> {
        let line = format!("({line}) >&2 && echo && exec cat");
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private", "sh", "-c", &line]);
        let mut holder =
            unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare");
        let ready = holder.stdout.as_mut().expect("its output").read_exact(&mut [0]);
        let view = Self(holder);
        ready.is_ok().then_some(view)
    }

    /// Any command in the view.
    #[must_use]
    pub fn tool(&self, case: &Case, program: impl AsRef<OsStr>) -> Cmd {
        let place = format!("--mount=/proc/{}/ns/mnt", self.0.id());
        case.tool("nsenter").arg(place).arg(program)
    }

    /// The runtime in the view, with the case's state root.
    #[must_use]
    pub fn coble(&self, case: &Case) -> Cmd {
        self.tool(case, case.program()).arg("--root").arg(case.state_root())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // It ends with its standard input.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
