//! A view of the machine where there is cgroup v2 alone, for many commands.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Child, Command, Stdio};

use crate::case::Case;
use crate::cmd::Cmd;

/// A mount namespace where `/sys/fs/cgroup` is pure cgroup v2, held by a process that is none of the case's.
/// [`Case::coble_v2`] makes one for each command, which takes longer.
#[derive(Debug)]
pub struct V2(Child);

impl V2 {
    /// Makes it; `None`, reported as skipped, where it can't be had.
    ///
    /// # Panics
    /// When it can, and the runtime fails in it.
    #[must_use]
    pub fn new(case: &Case) -> Option<Self> {
        if !case.has_v2() {
            return None;
        }
        let view =
            "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && echo && exec cat";
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private", "sh", "-c", view]);
        let mut holder =
            unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare");
        let ready = holder.stdout.as_mut().expect("its output");
        ready.read_exact(&mut [0]).expect("the holder of the view to be ready");
        Some(Self(holder))
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

impl Drop for V2 {
    fn drop(&mut self) {
        // It ends with its standard input.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
