//! Hooks that run in the runtime's own namespaces (config.md, "POSIX-platform Hooks").

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use coble_spec::Hook;
use coble_sys::rustix::event::Timespec;
use coble_sys::rustix::fd::AsFd;
use coble_sys::rustix::fs::{MemfdFlags, memfd_create};
use coble_sys::rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::{Error, ErrorKind, Result};
use crate::interrupt::Watch;

/// Bytes of a failed hook's output that stand in the error.
const OUTPUT_MAX: u64 = 1024;

/// Runs hooks one after the other, in the bundle, with `state` on standard input, for as long as `watch` allows.
///
/// # Errors
/// The first hook that can't be run, fails, or runs longer than its timeout.
pub(crate) fn run(
    name: &str,
    hooks: &[Hook],
    state: &str,
    bundle: &Path,
    watch: &Watch<'_>,
) -> Result<()> {
    for (index, hook) in hooks.iter().enumerate() {
        failed(name, index, hook, run_one(hook, state, bundle, watch))?;
    }
    Ok(())
}

/// Runs every poststop hook, and returns what failed: the container is gone, and hooks that fail don't bring it
/// back (runtime.md, "Lifecycle", step 13).
pub(crate) fn run_poststop(hooks: &[Hook], state: &str, bundle: &Path) -> Vec<Error> {
    let watch = Watch::default();
    let run =
        |(index, hook)| failed("poststop", index, hook, run_one(hook, state, bundle, &watch)).err();
    hooks.iter().enumerate().filter_map(run).collect()
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

fn run_one(hook: &Hook, state: &str, bundle: &Path, watch: &Watch<'_>) -> Result<()> {
    // A file and not a pipe: what the hook leaves behind may keep it open.
    let output = memfd_create("hook", MemfdFlags::CLOEXEC)
        .map_err(|errno| Error::os("memfd_create", errno))?;
    let mut output = File::from(output);
    let stream = || output.try_clone().map_err(|error| Error::at("clone", "output", error));
    let (name, args) = hook.args.split_first().unwrap_or((&hook.path, &[]));
    let variables = hook.env.iter().map(|entry| entry.split_once('=').unwrap_or((entry, "")));
    let mut child = Command::new(&hook.path)
        .arg0(name)
        .args(args)
        .env_clear()
        .envs(variables)
        .current_dir(bundle)
        .stdin(state_file(state)?)
        .stdout(stream()?)
        .stderr(stream()?)
        .spawn()
        .map_err(|error| Error::at("run", &hook.path, error))?;
    let status = await_status(&mut child, hook, watch)?;
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
        // It may end by itself at this very moment.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| Error::at("wait for", &hook.path, error))?;
    match (ended?, seconds) {
        (false, Some(seconds)) => {
            Err(Error::new(format!("still running after {seconds} s, its timeout, and killed")))
        }
        _ => Ok(status),
    }
}
