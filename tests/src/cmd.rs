//! One command under a deadline.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::leftovers;
use crate::output::Output;
use crate::wait;

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// The environment variable that marks every process of a case.
pub(crate) const MARK: &str = "COBLE_TEST";

/// A command to run: of the runtime, or a tool that a test needs.
///
/// Its environment is empty but for `PATH`, the case's mark and what is set. Its output goes to files, so that a
/// container which outlives the command keeps nothing waiting.
#[derive(Debug)]
pub struct Cmd {
    command: Command,
    tag: String,
    stdin: Vec<u8>,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Cmd {
    /// A run of `program` for the case `tag`, with its output kept under `folder`.
    #[must_use]
    pub fn new(program: impl AsRef<OsStr>, tag: &str, folder: &Path) -> Self {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let mut command = Command::new(program);
        command.env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env(MARK, tag);
        command.stdin(Stdio::null()).process_group(0).current_dir("/");
        Self {
            command,
            tag: tag.to_owned(),
            stdin: Vec::new(),
            stdout: folder.join(format!("stdout-{serial}")),
            stderr: folder.join(format!("stderr-{serial}")),
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the folder it starts in.
    #[must_use]
    pub fn cwd(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Keeps its output in another file, at the end of what is there.
    #[must_use]
    pub fn stdout_to(mut self, file: &Path) -> Self {
        self.stdout = file.to_owned();
        self
    }

    /// Makes it run as user and group `id`, with no further groups.
    #[must_use]
    pub fn user(mut self, id: u32) -> Self {
        self.command.uid(id).gid(id);
        self
    }

    /// Gives it `bytes` through a pipe on standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: &[u8]) -> Self {
        self.stdin = bytes.to_vec();
        self.command.stdin(Stdio::piped());
        self
    }

    /// Gives it a terminal on all three standard streams instead of files.
    pub(crate) fn terminal(mut self, slave: &OwnedFd) -> std::io::Result<(Child, String)> {
        self.command.stdin(slave.try_clone()?);
        self.command.stdout(slave.try_clone()?).stderr(slave.try_clone()?);
        let label = format!("{:?}", self.command);
        Ok((self.command.spawn()?, label))
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it can't be started, or hasn't ended by the [`wait::DEADLINE`]: it and everything of its case is
    /// killed then.
    #[track_caller]
    pub fn output(self) -> Output {
        self.spawn().wait()
    }

    /// Starts it and lets it run.
    ///
    /// # Panics
    /// When it can't be started.
    #[track_caller]
    pub fn spawn(mut self) -> Background {
        self.command.stdout(append(&self.stdout)).stderr(append(&self.stderr));
        let label = label(&self.command);
        let mut child =
            self.command.spawn().unwrap_or_else(|error| panic!("can't start {label}: {error}"));
        if let Some(mut pipe) = child.stdin.take() {
            let bytes = self.stdin;
            // A command that ends without reading all of it breaks the pipe: not the writer's affair.
            thread::spawn(move || pipe.write_all(&bytes));
        }
        Background { child, label, tag: self.tag, stdout: self.stdout, stderr: self.stderr }
    }
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("a file for the output")
}

fn label(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

/// A command that runs.
#[derive(Debug)]
pub struct Background {
    child: Child,
    label: String,
    tag: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Background {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it hasn't ended yet.
    ///
    /// # Panics
    /// When it can't be asked.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_none()
    }

    /// What it has written to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the command is still there");
    }

    /// Waits for standard output to contain `text`.
    ///
    /// # Panics
    /// When it doesn't by the deadline, or the command ends before.
    #[track_caller]
    pub fn says(&mut self, text: &str) {
        let told = wait::poll(wait::DEADLINE, || {
            let ended = self.child.try_wait().expect("wait").is_some();
            let found = self.stdout().contains(text);
            (found || ended).then_some(found)
        });
        assert!(told == Some(true), "never said `{text}`: {}", self.report(None));
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it hasn't ended by the deadline.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let status = wait::poll(wait::DEADLINE, || self.child.try_wait().expect("wait"));
        if status.is_none() {
            let running = leftovers::processes(&self.tag).join("\n");
            leftovers::kill_all(&self.tag);
            let _ = self.child.wait();
            panic!("hangs: {}\nrunning:\n{running}", self.report(None));
        }
        self.report(status)
    }

    fn report(&self, status: Option<ExitStatus>) -> Output {
        Output {
            command: self.label.clone(),
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            stdout: read(&self.stdout),
            stderr: read(&self.stderr),
        }
    }
}

impl Drop for Background {
    /// A test that fails in between leaves the command to this.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
