//! Hooks that run in the runtime's own namespaces (config.md, "POSIX-platform Hooks").

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use coble_spec::Hook;
use coble_sys::rustix::event::Timespec;
use coble_sys::rustix::fd::{AsFd, BorrowedFd};
use coble_sys::rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use coble_sys::rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::{Error, ErrorKind, Result};
use crate::executor::{Ended, destroy, reap};
use crate::hook_output::HookOutput;
use crate::interrupt::Watch;

/// Bytes of a failed hook's output that stand in the error.
const OUTPUT_MAX: u64 = 1024;

/// What all hooks of one moment get.
pub(crate) struct Setting<'a> {
    /// On standard input.
    pub(crate) state: &'a str,
    /// Their working directory.
    pub(crate) bundle: &'a Path,
    pub(crate) output: &'a HookOutput,
}

/// Who waits for hooks.
pub(crate) trait Attend {
    /// Waits until a child of this process has ended, and takes it away; `None` if it hasn't within `limit`.
    ///
    /// # Errors
    /// It is given up; the kernel's.
    fn await_child(
        &mut self,
        pid: i32,
        pidfd: BorrowedFd<'_>,
        limit: Option<Timespec>,
    ) -> Result<Option<Ended>>;
}

impl Attend for Watch<'_> {
    fn await_child(
        &mut self,
        _: i32,
        pidfd: BorrowedFd<'_>,
        limit: Option<Timespec>,
    ) -> Result<Option<Ended>> {
        self.wait(pidfd, limit)?.then(|| reap(pidfd)).transpose()
    }
}

/// Runs hooks one after the other, for as long as `attendant` allows.
///
/// # Errors
/// The first hook that can't be run, fails, or runs longer than its timeout.
pub(crate) fn run(
    name: &str,
    hooks: &[Hook],
    setting: &Setting<'_>,
    attendant: &mut dyn Attend,
) -> Result<()> {
    for (index, hook) in hooks.iter().enumerate() {
        failed(name, index, hook, run_one(hook, setting, attendant))?;
    }
    Ok(())
}

/// Runs every poststop hook, and returns what failed: the container is gone, and hooks that fail don't bring it
/// back (runtime.md, "Lifecycle", step 13).
pub(crate) fn run_poststop(
    hooks: &[Hook],
    state: &str,
    bundle: &Path,
    annotations: &BTreeMap<String, String>,
) -> Vec<Error> {
    let (output, unopened) = match HookOutput::open(annotations) {
        _ if hooks.is_empty() => return Vec::new(),
        Ok(output) => (output, None),
        // They clean up, and are run whoever reads what they say.
        Err(error) => (HookOutput::default(), Some(error)),
    };
    let setting = Setting { state, bundle, output: &output };
    let run = |(index, hook)| {
        failed("poststop", index, hook, run_one(hook, &setting, &mut Watch::default())).err()
    };
    unopened.into_iter().chain(hooks.iter().enumerate().filter_map(run)).collect()
}

fn failed(name: &str, index: usize, hook: &Hook, outcome: Result<()>) -> Result<()> {
    outcome.map_err(|error| {
        let kind = match error.kind() {
            ErrorKind::Interrupted => ErrorKind::Interrupted,
            _ => ErrorKind::Hook,
        };
        let words = format!("error running {name} hook #{index}: {}: {error}", hook.path);
        Error::of(kind, words)
    })
}

fn run_one(hook: &Hook, setting: &Setting<'_>, attendant: &mut dyn Attend) -> Result<()> {
    // A file and not a pipe: what the hook leaves behind may keep it open.
    let output = memfd_create("hook", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
        .map_err(|errno| Error::os("memfd_create", errno))?;
    let mut output = File::from(output);
    let or_output = |file: Option<File>| match file {
        Some(file) => Ok(file),
        None => output.try_clone().map_err(|error| Error::at("clone", "output", error)),
    };
    let [stdout, stderr] = setting.output.streams()?;
    let (name, args) = hook.args.split_first().unwrap_or((&hook.path, &[]));
    let variables = hook.env.iter().map(|entry| entry.split_once('=').unwrap_or((entry, "")));
    let child = Command::new(&hook.path)
        .arg0(name)
        .args(args)
        .env_clear()
        .envs(variables)
        .current_dir(setting.bundle)
        .stdin(state_file(setting.state)?)
        .stdout(or_output(stdout)?)
        .stderr(or_output(stderr)?)
        .spawn()
        .map_err(|error| Error::at("run", &hook.path, error))?;
    let ended = await_end(&child, hook, attendant);
    // What the hook has left behind doesn't fill memory that nobody reads. A shared writable mapping would refuse.
    let _ = fcntl_add_seals(&output, SealFlags::WRITE);
    let ended = ended?;
    if ended.exited == Some(0) {
        return Ok(());
    }
    let mut said = String::new();
    let _ = output.rewind();
    let _ = output.take(OUTPUT_MAX).read_to_string(&mut said);
    let why = match ended.signal {
        Some(signal) => format!("killed by signal {signal}"),
        None => format!("exit status {}", ended.exited.unwrap_or(0)),
    };
    let said = said.trim();
    Err(Error::new(if said.is_empty() { why } else { format!("{why}, output: {said}") }))
}

/// The state as a file: a hook that does not read it keeps nobody waiting.
fn state_file(state: &str) -> Result<File> {
    let file = memfd_create("state", MemfdFlags::CLOEXEC)
        .map_err(|errno| Error::os("memfd_create", errno))?;
    let mut file = File::from(file);
    let written = file.write_all(state.as_bytes()).and_then(|()| file.rewind());
    written.map_err(|error| Error::at("write", "the state", error))?;
    Ok(file)
}

fn await_end(child: &Child, hook: &Hook, attendant: &mut dyn Attend) -> Result<Ended> {
    let seconds = hook.timeout.filter(|seconds| *seconds > 0);
    let limit = seconds.map(|seconds| Timespec { tv_sec: seconds, tv_nsec: 0 });
    let pid = Pid::from_child(child);
    let pidfd =
        pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| Error::os("pidfd_open", errno))?;
    let ended = attendant.await_child(pid.as_raw_nonzero().get(), pidfd.as_fd(), limit);
    // It may end by itself at this very moment; or not even now.
    if !matches!(ended, Ok(Some(_))) && !destroy(pidfd.as_fd()) {
        return Err(Error::new("still running ten seconds after SIGKILL"));
    }
    let seconds = seconds.unwrap_or_default();
    ended?.ok_or_else(|| {
        Error::new(format!("still running after {seconds} s, its timeout, and killed"))
    })
}
