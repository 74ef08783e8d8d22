//! Podman with the binary under test as its runtime.
//!
//! Each test has a Podman of its own: storage, state, user and mounts that nobody else sees. When the test ends, its
//! containers are removed, and whatever the runtime left of them fails the test.

mod engine;

use std::fs;
use std::path::Path;

use crate::case::Case;
use crate::cmd::Cmd;
use crate::named_user::NamedUser;
use crate::output::Output;
use crate::plain_user::{PLAIN_ID, PLAIN_NAME};
use crate::skip::skip;
use crate::{leftovers, rootfs, wait};
use engine::Engine;

/// The image that all containers are made from: busybox alone.
pub const IMAGE: &str = "box";

/// The first of the user's 65536 subordinate ids.
pub const FIRST_ID: u32 = 700_000;

/// The user's folder for what doesn't outlive a session. Podman takes no longer path than 50 characters for its part of it.
const RUN: &str = "/run/own";

/// Which cgroups Podman finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cgroups {
    /// The machine's.
    Host,
    /// cgroup v2 alone, of which the user owns nothing.
    V2,
    /// cgroup v2 alone, and all that is in sight is the user's.
    Delegated,
}

/// One test's Podman. Dropping it removes its containers, and fails the test if anything is left of them.
#[derive(Debug)]
pub struct Podman {
    engine: Engine,
    /// The test's own ground. It goes last.
    pub case: Case,
    uid: u32,
}

impl Podman {
    /// Podman as a plain user of the machine; `None`, reported as skipped, where there can't be one.
    #[must_use]
    pub fn new() -> Option<Self> {
        Self::with(Cgroups::Host)
    }

    /// The same with other cgroups.
    ///
    /// # Panics
    /// When it should work and doesn't.
    #[must_use]
    pub fn with(cgroups: Cgroups) -> Option<Self> {
        let case = Case::plain()?;
        let ranges = format!("{}:{FIRST_ID}:65536\n", PLAIN_NAME);
        NamedUser::new(&case, &ranges, &ranges)?;
        Self::start(case, PLAIN_ID, cgroups)
    }

    /// Podman as root of the machine; `None`, reported as skipped, where there can't be one.
    ///
    /// # Panics
    /// When it should work and doesn't.
    #[must_use]
    pub fn root() -> Option<Self> {
        Self::start(Case::root()?, 0, Cgroups::Host)
    }

    fn start(case: Case, uid: u32, cgroups: Cgroups) -> Option<Self> {
        let engine = match Engine::start(&case, uid, cgroups) {
            Ok(engine) => engine,
            Err(reason) => {
                skip(&reason);
                return None;
            }
        };
        case.folder("home");
        let podman = Self { engine, case, uid };
        podman.import_image();
        Some(podman)
    }

    fn import_image(&self) {
        let archive = self.case.dir.join("image.tar");
        let root = self.case.dir.join("image");
        rootfs::rootfs(&root);
        let tar = Cmd::new("tar", &self.case.id, &self.case.dir.join("output"));
        tar.arg("-C")
            .arg(&root)
            .args(["--owner=0", "--group=0"])
            .arg("-cf")
            .arg(&archive)
            .arg(".")
            .output()
            .ok();
        let import = self.cli(&["import", "--quiet", "--change", "ENV PATH=/bin"]);
        import.arg(&archive).arg(IMAGE).output().ok();
    }

    /// `podman ARGS...`
    #[must_use]
    pub fn cli(&self, args: &[&str]) -> Cmd {
        let cmd =
            self.engine.enter(Cmd::new("nsenter", &self.case.id, &self.case.dir.join("output")));
        self.podman(cmd).args(args)
    }

    /// The same on a terminal: for [`crate::Terminal::run`].
    #[must_use]
    pub fn on_terminal(&self, args: &[&str]) -> Cmd {
        let cmd = Cmd::new("setsid", &self.case.id, &self.case.dir.join("output"));
        let cmd = self.engine.enter(cmd.env("TERM", "dumb").args(["--ctty", "--wait", "nsenter"]));
        self.podman(cmd).args(args)
    }

    fn podman(&self, cmd: Cmd) -> Cmd {
        let home = self.case.dir.join("home");
        let id = self.uid.to_string();
        cmd.env("HOME", &home)
            .env("XDG_RUNTIME_DIR", RUN)
            .args(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups", "podman"])
            .arg("--runtime")
            .arg(self.case.program())
            .arg("--root")
            .arg(home.join("storage"))
            .args(["--runroot", "/run/own/storage", "--tmpdir", "/run/own/libpod"])
            .args(["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none"])
    }

    /// `podman run FLAGS... IMAGE ARGS...`, ready to be run.
    #[must_use]
    pub fn run_cmd(&self, flags: &[&str], args: &[&str]) -> Cmd {
        let parent = format!("--cgroup-parent=/{}", self.case.id);
        let run = self.cli(&["run", "--log-driver=k8s-file"]);
        // A plain user has none where a parent could be.
        let run = if self.uid == 0 { run.arg(parent) } else { run };
        run.args(flags).arg(IMAGE).args(args)
    }

    /// `podman run --rm --network none FLAGS... IMAGE ARGS...` to its end.
    #[must_use]
    pub fn run(&self, flags: &[&str], args: &[&str]) -> Output {
        let flags = [&["--rm", "--network=none"], flags].concat();
        self.run_cmd(&flags, args).output()
    }

    /// What `sh -c SCRIPT` prints in a new container, which must work; without the white space around it.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    #[must_use]
    pub fn sh(&self, flags: &[&str], script: &str) -> String {
        self.run(flags, &["sh", "-c", script]).stdout().trim().to_owned()
    }

    /// `podman run --detach --name NAME FLAGS... IMAGE sh -c SCRIPT`, which must work. The container has no network.
    ///
    /// # Panics
    /// When it doesn't.
    #[track_caller]
    pub fn detach(&self, name: &str, flags: &[&str], script: &str) {
        let flags = [&["--detach", "--network=none", "--name", name], flags].concat();
        self.run_cmd(&flags, &["sh", "-c", script]).output().ok();
    }

    /// What `podman ARGS...` prints, which must work; without the white space around it.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn says(&self, args: &[&str]) -> String {
        self.cli(args).output().stdout().trim().to_owned()
    }

    /// Waits for a container's standard output to contain `text`.
    ///
    /// # Panics
    /// When it doesn't by the deadline.
    #[track_caller]
    pub fn until_logged(&self, name: &str, text: &str) {
        wait::until(format!("{name} says {text}"), || self.says(&["logs", name]).contains(text));
    }

    /// What there is on the machine beside Podman's own holders: processes, cgroups, mounts and the runtime's state; one
    /// line each, which begins with the kind.
    #[must_use]
    pub fn traces(&self) -> Vec<String> {
        let mut traces = self.engine.traces(&self.case);
        let states = Path::new(if self.uid == 0 { "/run" } else { RUN }).join("coble");
        let states = self.engine.inside(&states);
        let states = fs::read_dir(states).into_iter().flatten().flatten();
        traces.extend(states.map(|entry| format!("state: {}", entry.path().display())));
        traces
    }

    fn end(&self) {
        let remove = self.cli(&["rm", "--force", "--all", "--time", "0", "--volumes"]).output();
        // That ends the process which keeps the user's namespaces.
        let rest = (self.uid != 0).then(|| self.cli(&["system", "migrate"]).output());
        if !std::thread::panicking() {
            remove.ok();
            rest.map(Output::ok);
        }
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.end();
        let mut left = Vec::new();
        // conmon ends after Podman has reported the container as gone.
        let _ = wait::poll(leftovers::GRACE, || {
            left = self.traces();
            left.is_empty().then_some(())
        });
        self.engine.stop(&self.case);
        if !std::thread::panicking() {
            assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
        }
    }
}
