//! Commands that must end before their deadline.

use std::fmt::Write;
use std::fs;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::Result;

/// How a command ended.
pub(crate) enum Ending {
    /// By itself, after this time between spawn and exit.
    Exited(ExitStatus, Duration),
    /// It was killed at its deadline; the process tree below it at that moment.
    Hung(String),
}

/// Runs a command to its end, or kills it at its deadline.
pub(crate) fn finish(command: &mut Command, deadline: Duration) -> Result<Ending> {
    let start = Instant::now();
    let mut child =
        command.spawn().map_err(|e| format!("{}: {e}", command.get_program().to_string_lossy()))?;
    if ends_within(&child, deadline)? {
        let status = child.wait().map_err(|e| e.to_string())?;
        return Ok(Ending::Exited(status, start.elapsed()));
    }
    Ok(Ending::Hung(end(&mut child)?))
}

/// Kills a child; gives the process tree below it at that moment.
pub(crate) fn end(child: &mut Child) -> Result<String> {
    let tree = tree(child.id());
    child.kill().map_err(|e| e.to_string())?;
    child.wait().map_err(|e| e.to_string())?;
    Ok(tree)
}

/// Runs a command; an error if it fails or hangs.
pub(crate) fn succeed(command: &mut Command, deadline: Duration) -> Result<Duration> {
    match finish(command, deadline)? {
        Ending::Exited(status, time) if status.success() => Ok(time),
        Ending::Exited(status, _) => Err(format!("{}: {status}", words(command))),
        Ending::Hung(tree) => Err(format!("{}: hung\n{tree}", words(command))),
    }
}

/// What a command prints to standard output; an error if it fails. It must be one that can't hang.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|e| format!("{}: {e}", words(command)))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            let why = String::from_utf8_lossy(&output.stderr);
            Err(format!("{}: {}\n{}", words(command), output.status, why.trim_end()))
        }
    }
}

/// Waits on a pidfd, so that the moment of exit is seen at once and nobody has to poll.
pub(crate) fn ends_within(child: &Child, deadline: Duration) -> Result<bool> {
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())
        .map_err(|e| format!("pidfd_open: {e}"))?;
    let end = Instant::now() + deadline;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|e| e.to_string())?;
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(format!("poll: {errno}")),
            Ok(ready) => return Ok(ready > 0),
        }
    }
}

fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// One process as `/proc/PID/stat` has it.
struct Process {
    pid: u32,
    parent: u32,
    state: String,
}

/// The processes from `root` down: pid, state, command line, and where each waits in the kernel.
pub(crate) fn tree(root: u32) -> String {
    let all: Vec<Process> = pids().into_iter().filter_map(process).collect();
    let mut text = String::new();
    let mut open = vec![(root, 0)];
    while let Some((pid, depth)) = open.pop() {
        if let Some(found) = all.iter().find(|process| process.pid == pid) {
            // Writing to a string doesn't fail.
            let _ = writeln!(text, "{:depth$}{}", "", describe(found), depth = depth * 2);
        }
        open.extend(all.iter().filter(|p| p.parent == pid).map(|p| (p.pid, depth + 1)));
    }
    text
}

/// Every process's pid.
pub(crate) fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and can hold anything, so the fields start after the last one.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some(Process { pid, state: fields.next()?.to_owned(), parent: fields.next()?.parse().ok()? })
}

fn describe(process: &Process) -> String {
    let read = |file: &str| {
        let text = fs::read(format!("/proc/{}/{file}", process.pid)).unwrap_or_default();
        String::from_utf8_lossy(&text).replace('\0', " ").trim().to_owned()
    };
    let (command, call, place) = (read("cmdline"), read("syscall"), read("wchan"));
    format!("{} {} {command} (syscall {call}; in {place})", process.pid, process.state)
}
