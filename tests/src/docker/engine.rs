//! The engine's processes and folder.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::geteuid;
use serde_json::json;

use crate::cmd::Cmd;
use crate::{leftovers, rootfs, runtime, wait};

use super::client::IMAGE;

/// Written as a shell script because it must outlive the test that starts it, however that ends.
const SCRIPT: &str = include_str!("engine.sh");

/// A plain login shell of root lacks none of these; a user's may.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the engine needs beside the binary under test, with the packages that bring it on Debian.
const NEEDED: [(&str, &str); 6] = [
    ("dockerd", "docker.io"),
    ("docker", "docker.io"),
    ("containerd", "containerd"),
    ("busybox", "busybox-static"),
    ("unshare", "util-linux"),
    ("ip", "iproute2"),
];

/// The engine stops its containers first, which may take a while if one is stuck.
const STOP: Duration = Duration::from_secs(60);

/// A Docker Engine that runs.
#[derive(Debug)]
pub(super) struct Engine {
    /// The folder of everything it writes; also the mark of its processes and cgroups.
    pub(super) dir: PathBuf,
    /// The name of the folder and of the cgroup that holds its containers.
    pub(super) name: String,
    supervisor: Child,
    /// The engine lives until this is closed.
    pipe: ChildStdin,
    first_mounts: Vec<String>,
}

/// Why there can be no engine on this machine for this user.
pub(super) fn unavailable() -> Option<String> {
    if !geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    let missing = |program: &str| !PATH.split(':').any(|dir| Path::new(dir).join(program).exists());
    let (program, package) = NEEDED.iter().find(|(program, _)| missing(program))?;
    Some(format!("needs {program} of the package {package}"))
}

impl Engine {
    /// Starts one with the storage driver that Docker prefers, or with the one that works on any file
    /// system, and gives it the image.
    pub(super) fn start() -> Result<Self, String> {
        let engine = Self::start_with("overlay2").or_else(|log| {
            let refused = log.contains("error initializing graphdriver");
            if refused { Self::start_with("vfs") } else { Err(log) }
        })?;
        engine.import_image();
        Ok(engine)
    }

    fn start_with(storage: &str) -> Result<Self, String> {
        let coble = runtime::binary();
        let name = format!("coble-docker-{}", process::id());
        let dir = std::env::temp_dir().join(&name);
        fs::create_dir_all(dir.join("output")).expect("a folder for the engine");
        let config = json!({
            "runtimes": {"coble": {"path": coble}},
            "storage-driver": storage,
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            // Nothing leaves the engine's own network namespace.
            "iptables": false,
        });
        fs::write(dir.join("daemon.json"), config.to_string()).expect("daemon.json");
        let mut supervisor = supervisor(&dir, &name);
        let pipe = supervisor.stdin.take().expect("a pipe");
        let mut engine = Self { dir, name, supervisor, pipe, first_mounts: Vec::new() };
        if engine.answers() {
            engine.first_mounts = engine.mounts();
            return Ok(engine);
        }
        let log = fs::read_to_string(engine.dir.join("log")).unwrap_or_default();
        engine.stop();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        Err(format!("dockerd can't run here: {}", last.join("\n")))
    }

    /// Waits until it serves its socket; false when it ended instead.
    fn answers(&mut self) -> bool {
        let answer = wait::poll(wait::DEADLINE, || {
            // The log is gone with the folder once the supervisor has ended; dockerd ends before.
            let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            if log.contains("API listen on") {
                return Some(true);
            }
            let ended = log.contains("failed to start daemon");
            (ended || !matches!(self.supervisor.try_wait(), Ok(None))).then_some(false)
        });
        answer == Some(true)
    }

    /// A command of Docker's client for this engine; `tag` marks its process.
    pub(super) fn cli(&self, tag: &str) -> Cmd {
        self.client("docker", tag)
    }

    /// The same on a terminal: for [`crate::Terminal::run`].
    pub(super) fn cli_on_terminal(&self, tag: &str) -> Cmd {
        self.client("setsid", tag).args(["--ctty", "--wait", "docker"]).env("TERM", "dumb")
    }

    fn client(&self, program: &str, tag: &str) -> Cmd {
        Cmd::new(program, tag, &self.dir.join("output"))
            .env("DOCKER_HOST", format!("unix://{}", self.dir.join("docker.sock").display()))
            .env("DOCKER_CONFIG", self.dir.join("client"))
    }

    fn import_image(&self) {
        let root = self.dir.join("image");
        let archive = self.dir.join("image.tar");
        rootfs::rootfs(&root);
        let tar = Cmd::new("tar", &self.name, &self.dir.join("output"));
        tar.arg("-C").arg(&root).arg("-cf").arg(&archive).arg(".").output().ok();
        let import = self.cli(&self.name).args(["import", "-c", "ENV PATH=/bin"]);
        import.arg(&archive).arg(IMAGE).output().ok();
    }

    /// Where something is mounted in the engine's mount namespace that wasn't when it had just started, but
    /// for the network namespaces that it keeps.
    pub(super) fn new_mounts(&self) -> Vec<String> {
        let mut points = self.mounts();
        points.retain(|point| !self.first_mounts.contains(point) && !point.contains("/netns/"));
        points
    }

    fn mounts(&self) -> Vec<String> {
        let pid = self.supervisor.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let unshare = children.expect("the supervisor's child");
        let table = fs::read_to_string(format!("/proc/{}/mountinfo", unshare.trim()));
        let table = table.expect("the engine's mount table");
        table.lines().filter_map(|line| line.split(' ').nth(4).map(str::to_owned)).collect()
    }

    /// Folders of the containers that a runtime has a state of.
    pub(super) fn states(&self) -> Vec<PathBuf> {
        // `exec/runtime-NAME/moby/ID`; older engines call every runtime's folder `runtime-runc`.
        let runtimes = entries(&self.dir.join("exec")).into_iter();
        let runtimes = runtimes.filter(|path| path.to_string_lossy().contains("/runtime-"));
        runtimes.flat_map(|runtime| entries(&runtime.join("moby"))).collect()
    }

    /// Stops it and gives what is left of it, one line each.
    pub(super) fn stop(mut self) -> Vec<String> {
        drop(self.pipe);
        let status = wait::poll(STOP, || self.supervisor.try_wait().expect("wait"));
        if status.is_none() {
            // The kernel then ends everything in the engine's pid namespace.
            leftovers::kill_all(&self.name);
            let _ = self.supervisor.wait();
        }
        let mut left = leftovers::processes(&self.name);
        left.extend(leftovers::cgroups(&self.name).iter().map(|path| path.display().to_string()));
        if self.dir.exists() {
            left.push(self.dir.display().to_string());
        }
        if !status.is_some_and(|status: ExitStatus| status.success()) {
            left.push(format!("the supervisor's status: {status:?}"));
        }
        left
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

fn supervisor(dir: &Path, name: &str) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "engine.sh"]).arg(dir).arg(name);
    command.env_clear().env("PATH", PATH).current_dir("/");
    // Ctrl-C at the test's terminal is for the test; the engine follows when the pipe closes.
    command.stdin(Stdio::piped()).process_group(0);
    command.spawn().expect("sh")
}
