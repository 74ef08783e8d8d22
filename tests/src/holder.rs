//! A process whose namespaces containers join.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::case::Case;
use crate::cmd::Background;

/// Holds new namespaces until it is ended.
#[derive(Debug)]
pub struct Holder {
    shell: Background,
    pid: u32,
}

impl Holder {
    /// Made by `unshare FLAGS` as the case's user; the holder is the process inside.
    ///
    /// # Panics
    /// When it can't be made.
    #[must_use]
    pub fn new(case: &Case, flags: &[&str]) -> Self {
        let unshare = case.tool("unshare").args(["--fork", "--kill-child"]).args(flags);
        let mut shell = unshare.args(["sh", "-c", "echo ready; exec sleep 1000"]).spawn();
        shell.says("ready\n");
        let children = format!("/proc/{0}/task/{0}/children", shell.pid());
        let pid = fs::read_to_string(children).expect("the shell's children");
        Self { shell, pid: pid.trim().parse().expect("one child") }
    }

    /// One of its namespaces, by its name in `/proc/PID/ns`.
    #[must_use]
    pub fn namespace(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/{file}", self.pid))
    }

    /// Ends it.
    pub fn end(self) {
        self.shell.signal(Signal::KILL);
        let _ = self.shell.wait();
    }
}
