//! A runtime with the usual command line: coble, crun, runc.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{Result, process};

/// No command of a runtime takes this long unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A runtime and a state folder of its own.
#[derive(Clone)]
pub(crate) struct Oci {
    /// What the tables call it.
    pub(crate) name: String,
    /// The program and what comes before the runtime's own arguments.
    pub(crate) words: Vec<OsString>,
    /// The state root.
    pub(crate) root: PathBuf,
    /// Whether systemd makes its cgroups.
    pub(crate) systemd: bool,
    /// The plain user that it runs as; root's if there is none.
    pub(crate) user: Option<u32>,
    /// Takes what it says.
    log: PathBuf,
}

impl Oci {
    /// A runtime that is one program; its state goes to a folder under `scratch`.
    pub(crate) fn new(name: &str, program: &Path, scratch: &Path) -> Self {
        let root = scratch.join(format!("state-{name}"));
        let log = root.with_extension("log");
        // What former ones have said.
        let _ = fs::remove_file(&log);
        Self {
            name: name.to_owned(),
            words: vec![program.into()],
            root,
            systemd: false,
            user: None,
            log,
        }
    }

    /// The same for a plain user, whose state goes to a folder of its own.
    pub(crate) fn of_user(&self, user: u32) -> Self {
        let root = self.root.with_extension("rootless");
        Self { root, user: Some(user), ..self.clone() }
    }

    /// Makes the state root, which a plain user may not be able to do.
    pub(crate) fn make_root(&self) -> Result<()> {
        let told = |e: std::io::Error| format!("{}: {e}", self.root.display());
        fs::create_dir_all(&self.root).map_err(told)?;
        chown(&self.root, self.user, self.user).map_err(told)
    }

    /// Any command, without the state root. Nothing is inherited that a container could keep open. The streams are a file of
    /// its own: crun gives them to the container's user, and `/dev/null` would be the whole machine's.
    fn bare(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).stdin(self.stream()).stdout(self.stream());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// `--root ROOT VERB`.
    pub(crate) fn verb(&self, verb: &str) -> Command {
        let mut command = self.bare();
        command.arg("--root").arg(&self.root);
        command.args(self.systemd.then_some("--systemd-cgroup")).arg(verb);
        command.stderr(self.stream());
        command
    }

    fn stream(&self) -> Stdio {
        let file = File::options().create(true).append(true).read(true).open(&self.log);
        // Where that fails nothing works.
        file.map_or_else(|_| Stdio::null(), Stdio::from)
    }

    /// `spec`.
    pub(crate) fn spec(&self) -> Command {
        let mut command = self.bare();
        command.arg("spec").args(self.user.map(|_| "--rootless"));
        command
    }

    /// `run --bundle BUNDLE ID`.
    pub(crate) fn run(&self, bundle: &Path, id: &str) -> Command {
        self.with_bundle("run", bundle, id)
    }

    /// `create --bundle BUNDLE ID`.
    pub(crate) fn create(&self, bundle: &Path, id: &str) -> Command {
        self.with_bundle("create", bundle, id)
    }

    fn with_bundle(&self, verb: &str, bundle: &Path, id: &str) -> Command {
        let mut command = self.verb(verb);
        command.arg("--bundle").arg(bundle).arg(id);
        command
    }

    /// `start`, `state`, or another verb that takes an id alone.
    pub(crate) fn on(&self, verb: &str, id: &str) -> Command {
        let mut command = self.verb(verb);
        command.arg(id);
        command
    }

    /// `exec ID /bin/true`.
    pub(crate) fn exec_true(&self, id: &str) -> Command {
        let mut command = self.verb("exec");
        command.args([id, "/bin/true"]);
        command
    }

    /// `update --resources FILE ID`.
    pub(crate) fn update(&self, id: &str, resources: &Path) -> Command {
        let mut command = self.verb("update");
        command.arg("--resources").arg(resources).arg(id);
        command
    }

    /// `update --memory BYTES ID`.
    pub(crate) fn update_memory(&self, id: &str, bytes: u64) -> Command {
        let mut command = self.verb("update");
        command.args(["--memory", &bytes.to_string(), id]);
        command
    }

    /// `delete --force ID`.
    pub(crate) fn delete(&self, id: &str) -> Command {
        let mut command = self.verb("delete");
        command.args(["--force", id]);
        command
    }

    /// Creates and starts a container.
    pub(crate) fn launch(&self, bundle: &Path, id: &str) -> Result<Duration> {
        let created = process::succeed(&mut self.create(bundle, id), DEADLINE)?;
        let started = process::succeed(&mut self.on("start", id), DEADLINE)?;
        Ok(created + started)
    }

    /// The first line of `--version`.
    pub(crate) fn version(&self) -> String {
        let output = self.bare().arg("--version").stdout(Stdio::piped()).output();
        let text = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").to_owned()
    }
}
