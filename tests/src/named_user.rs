//! A plain user with a name.

use std::path::Path;

use rustix::process::geteuid;

use crate::case::Case;
use crate::cmd::Cmd;
use crate::plain_user::{PLAIN_ID, PLAIN_NAME};
use crate::skip::skip;

/// The user of [`Case::plain`] with ranges in subuid(5) and subgid(5), in a copy of `/etc` that nobody else sees.
#[derive(Debug)]
pub struct NamedUser<'a> {
    case: &'a Case,
    setup: String,
}

impl<'a> NamedUser<'a> {
    /// Lines of subuid(5) and subgid(5); `None`, reported as skipped, where such a user can't be made.
    ///
    /// # Panics
    /// When the copy of `/etc` can't be made.
    #[must_use]
    pub fn new(case: &'a Case, users: &str, groups: &str) -> Option<Self> {
        if !geteuid().is_root() {
            skip("needs root to make a user");
            return None;
        }
        let etc = case.dir.join("etc");
        let root = |program| Cmd::new(program, &case.id, &case.dir.join("output"));
        let programs = "command -v newuidmap && command -v newgidmap";
        if root("sh").args(["-c", programs]).output().code != Some(0) {
            skip("needs newuidmap and newgidmap");
            return None;
        }
        let _ = std::fs::remove_dir_all(&etc);
        root("cp").args(["-a", "/etc"]).arg(&etc).output().ok();
        let etc = etc.display();
        let make = format!(
            "mount --bind {etc} /etc && getent passwd {PLAIN_NAME} && printf '%s' '{users}' > /etc/subuid \
             && printf '%s' '{groups}' > /etc/subgid",
        );
        let private = ["--mount", "--propagation", "private", "sh", "-c"];
        root("unshare").args(private).arg(make).output().ok();
        Some(Self { case, setup: format!("mount --bind {etc} /etc") })
    }

    /// Carries out a line of root's shell before each command.
    #[must_use]
    pub fn prepared(mut self, line: &str) -> Self {
        self.setup = format!("{} && {line}", self.setup);
        self
    }

    /// A line for [`NamedUser::prepared`]: set-user-ID programs in a folder count, whatever the mount that it is on says.
    #[must_use]
    pub fn with_suid(folder: &Path) -> String {
        format!("mount --bind {0} {0} && mount -o remount,bind,suid {0}", folder.display())
    }

    /// Any command as this user.
    #[must_use]
    pub fn tool(&self, program: &str) -> Cmd {
        self.tool_with(&[], program)
    }

    /// The same with flags of setpriv(1).
    #[must_use]
    pub fn tool_with(&self, flags: &[&str], program: &str) -> Cmd {
        self.become_user("", flags, program)
    }

    /// `before` is what runs setpriv(1).
    fn become_user(&self, before: &str, flags: &[&str], program: &str) -> Cmd {
        let line = format!("{} && exec {before} setpriv \"$@\"", self.setup);
        let id = PLAIN_ID.to_string();
        Cmd::new("unshare", &self.case.id, &self.case.dir.join("output"))
            .env("XDG_RUNTIME_DIR", self.case.dir.join("run"))
            .args(["--mount", "--propagation", "private", "sh", "-c", &line, "sh"])
            .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
            .args(flags)
            .arg(program)
    }

    /// The runtime as this user, with the case's state root, whose processes strace(1) writes to a file. It is root's, so that
    /// set-user-ID programs have their rights.
    #[must_use]
    pub fn traced(&self, trace: &Path) -> Cmd {
        let strace = format!("strace -f -qq -e trace=process -o {}", trace.display());
        let program = self.case.program().to_str().unwrap_or_default();
        self.become_user(&strace, &[], program).arg("--root").arg(self.case.state_root())
    }

    /// The runtime as this user, with the case's state root.
    #[must_use]
    pub fn coble(&self) -> Cmd {
        let program = self.case.program().to_str().unwrap_or_default();
        self.tool(program).arg("--root").arg(self.case.state_root())
    }
}
