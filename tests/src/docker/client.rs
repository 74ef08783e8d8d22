//! One test's use of the engine.

use std::cell::Cell;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::container::Container;
use super::engine::{self, Engine};
use super::shared::User;
use crate::cmd::Cmd;
use crate::output::Output;
use crate::skip::skip;
use crate::{leftovers, wait};

/// The image that all containers are made from: busybox alone.
pub const IMAGE: &str = "box";

/// How long the last processes of a container that is gone may take.
const GRACE: Duration = Duration::from_secs(10);

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// A test's containers. Dropping it removes them, and fails the test if the runtime left anything of them.
#[derive(Debug)]
pub struct Docker {
    user: User,
    serial: u32,
    containers: Cell<u32>,
}

impl Docker {
    /// Docker Engine for the running test; `None`, reported as skipped, where there can't be one.
    ///
    /// # Panics
    /// When it should run and doesn't.
    #[must_use]
    pub fn new() -> Option<Self> {
        if let Some(reason) = engine::unavailable() {
            skip(&reason);
            return None;
        }
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let docker = Self { user: User::new(), serial, containers: Cell::new(0) };
        fs::create_dir_all(docker.dir()).expect("a folder of the test");
        Some(docker)
    }

    /// The test's own folder on the host.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.user.dir.join(self.name("test"))
    }

    /// A name that no other test has.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        format!("{name}-{}", self.serial)
    }

    /// `docker ARGS...`
    #[must_use]
    pub fn cli(&self, args: &[&str]) -> Cmd {
        self.user.cli(&self.name("docker-test")).args(args)
    }

    /// `docker run FLAGS... IMAGE ARGS...`, ready to be run. The container is the test's, whichever way it ends.
    #[must_use]
    pub fn run_cmd(&self, flags: &[&str], args: &[&str]) -> Cmd {
        self.run_image(IMAGE, flags, args)
    }

    /// The same with another image.
    #[must_use]
    pub fn run_image(&self, image: &str, flags: &[&str], args: &[&str]) -> Cmd {
        self.run_cmd_on(self.cli(&[]), flags).arg(image).args(args)
    }

    /// [`Docker::run_cmd`] on a terminal: for [`crate::Terminal::run`].
    #[must_use]
    pub fn run_on_terminal(&self, flags: &[&str], args: &[&str]) -> Cmd {
        self.run_cmd_on(self.on_terminal(), flags).arg(IMAGE).args(args)
    }

    /// `setsid ... docker`, to which arguments can be added: for [`crate::Terminal::run`].
    #[must_use]
    pub fn on_terminal(&self) -> Cmd {
        self.user.with(|engine| engine.cli_on_terminal(&self.name("docker-test")))
    }

    fn run_cmd_on(&self, docker: Cmd, flags: &[&str]) -> Cmd {
        self.containers.set(self.containers.get() + 1);
        let cidfile = self.cidfile(self.containers.get());
        docker.args(["run", "--runtime", "coble", "--cidfile"]).arg(cidfile).args(flags)
    }

    /// `docker run --rm FLAGS... IMAGE ARGS...` to its end.
    #[must_use]
    pub fn run(&self, flags: &[&str], args: &[&str]) -> Output {
        let flags = [&["--rm"], flags].concat();
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

    /// `docker run --detach FLAGS... IMAGE ARGS...`, which must work.
    ///
    /// # Panics
    /// When it doesn't.
    #[track_caller]
    #[must_use]
    pub fn detach(&self, flags: &[&str], args: &[&str]) -> Container<'_> {
        let flags = [&["--detach"], flags].concat();
        let id = self.run_cmd(&flags, args).output().stdout();
        Container::new(self, id.trim())
    }

    /// A container that does nothing but live.
    ///
    /// # Panics
    /// When it can't be started.
    #[track_caller]
    #[must_use]
    pub fn idle(&self, flags: &[&str]) -> Container<'_> {
        // A shell that waits ends at once on SIGTERM, which as process 1 it must ask for.
        self.detach(flags, &["sh", "-c", "trap exit TERM; sleep 1000 & wait"])
    }

    /// What the engine says about itself.
    ///
    /// # Panics
    /// When it doesn't.
    #[track_caller]
    #[must_use]
    pub fn info(&self) -> Value {
        let info = self.cli(&["info", "--format", "{{json .}}"]).output().stdout();
        serde_json::from_str(&info).expect("JSON")
    }

    /// Where something is mounted in the engine's own mount namespace that wasn't at its start.
    #[must_use]
    pub fn new_mounts(&self) -> Vec<String> {
        self.user.with(Engine::new_mounts)
    }

    fn cidfile(&self, number: u32) -> PathBuf {
        self.dir().join(format!("cid-{number}"))
    }

    /// The ids of all containers that came to be.
    fn ids(&self) -> Vec<String> {
        let read = |number| fs::read_to_string(self.cidfile(number)).ok();
        let ids = (1..=self.containers.get()).filter_map(read);
        ids.filter(|id| !id.is_empty()).collect()
    }

    /// What there is of a container outside of Docker's own books; one line each. Nothing may be left when
    /// Docker has removed it.
    pub(super) fn traces(&self, id: &str) -> Vec<String> {
        let mut traces = leftovers::processes(id);
        traces.extend(
            leftovers::cgroups(id).iter().map(|path| format!("cgroup: {}", path.display())),
        );
        let states = self.user.with(Engine::states);
        let states = states.iter().filter(|path| path.ends_with(id));
        traces.extend(states.map(|path| format!("state: {}", path.display())));
        traces
    }

    fn remove(&self, ids: &[String]) {
        for id in ids {
            // Most have gone already: an error.
            let _ = self.cli(&["rm", "--force", "--volumes", id]).output();
        }
    }

    fn left_in_the_end(&self, id: &str) -> Vec<String> {
        let mut left = Vec::new();
        // The shim ends after Docker has reported the container as gone.
        let _ = wait::poll(GRACE, || {
            left = self.traces(id);
            left.is_empty().then_some(())
        });
        left
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let ids = self.ids();
        if std::thread::panicking() {
            // A second panic, at a container that can't be removed, would end the whole test run.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| self.remove(&ids)));
            return;
        }
        self.remove(&ids);
        let left: Vec<String> = ids.iter().flat_map(|id| self.left_in_the_end(id)).collect();
        assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
    }
}
