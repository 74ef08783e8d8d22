//! Hooks that run in the runtime's own namespaces (config.md, "POSIX-platform Hooks").

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use coble_spec::Hook;
use coble_sys::rustix::event::Timespec;
use coble_sys::rustix::fd::AsFd;
use coble_sys::rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use coble_sys::rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::{Error, ErrorKind, Result};
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

/// Runs hooks one after the other, for as long as `watch` allows.
///
/// # Errors
/// The first hook that can't be run, fails, or runs longer than its timeout.
pub(crate) fn run(
    name: &str,
    hooks: &[Hook],
    setting: &Setting<'_>,
    watch: &Watch<'_>,
) -> Result<()> {
    for (index, hook) in hooks.iter().enumerate() {
        failed(name, index, hook, run_one(hook, setting, watch))?;
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
    let watch = Watch::default();
    let (output, unopened) = match HookOutput::open(annotations) {
        _ if hooks.is_empty() => return Vec::new(),
        Ok(output) => (output, None),
        // They clean up, and are run whoever reads what they say.
        Err(error) => (HookOutput::default(), Some(error)),
    };
    let setting = Setting { state, bundle, output: &output };
    let run =
        |(index, hook)| failed("poststop", index, hook, run_one(hook, &setting, &watch)).err();
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

fn run_one(hook: &Hook, setting: &Setting<'_>, watch: &Watch<'_>) -> Result<()> {
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
    let mut child = Command::new(&hook.path)
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
    let status = await_status(&mut child, hook, watch);
    // What the hook has left behind doesn't fill memory that nobody reads. A shared writable mapping would refuse.
    let _ = fcntl_add_seals(&output, SealFlags::WRITE);
    let status = status?;
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    let _ = output.rewind();
    let _ = output.take(OUTPUT_MAX).read_to_string(&mut said);
    let why = match status.signal() {
        Some(signal) => format!("killed by signal {signal}"),
        None => format!("exit status {}", status.code().unwrap_or(0)),
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

fn await_status(child: &mut Child, hook: &Hook, watch: &Watch<'_>) -> Result<ExitStatus> {
    let seconds = hook.timeout.filter(|seconds| *seconds > 0);
    let limit = seconds.map(|seconds| Timespec { tv_sec: seconds, tv_nsec: 0 });
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())
        .map_err(|errno| Error::os("pidfd_open", errno))?;
    let ended = watch.wait(pidfd.as_fd(), limit);
    if !matches!(ended, Ok(true)) {
        // It may end by itself at this very moment; or not even now.
        let _ = child.kill();
        if !Watch::default().wait(pidfd.as_fd(), Some(Watch::END))? {
            return Err(Error::new("still running ten seconds after SIGKILL"));
        }
    }
    let status = child.wait().map_err(|error| Error::at("wait for", &hook.path, error))?;
    match (ended?, seconds) {
        (false, Some(seconds)) => {
            Err(Error::new(format!("still running after {seconds} s, its timeout, and killed")))
        }
        _ => Ok(status),
    }
}
