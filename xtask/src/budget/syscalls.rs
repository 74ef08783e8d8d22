//! System calls per command.
//!
//! What is counted: the command's own process and every process it makes, up to and with the execve of the
//! container's program. The program's own calls aren't the runtime's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Result;
use crate::oci::{DEADLINE, Oci};
use crate::process::{end, ends_within, succeed};

/// The commands that have a budget.
pub(super) const VERBS: [&str; 8] =
    ["create", "start", "state", "exec", "update", "pause", "resume", "delete"];

/// What is counted: the verb and how often it entered the kernel.
pub(super) type Counts = Vec<(&'static str, u64)>;

/// What the container of `create` and `exec` run.
const PROGRAM: &str = "/bin/true";

/// What `update` sets: a file that every cgroup2 has, with whatever controllers.
const RESOURCES: &str = r#"{"unified": {"cgroup.max.depth": "9"}}"#;

/// Counts all of [`VERBS`] over two bundles: one runs [`PROGRAM`], the other just sleeps.
pub(super) fn count(runtime: &Oci, short: &Path, long: &Path) -> Result<Counts> {
    let id = |kind: &str| format!("coble-calls-{kind}-{}", std::process::id());
    let (ended, running) = (id("short"), id("long"));
    let counts = life(runtime, short, &ended).and_then(|mut counts| {
        runtime.launch(long, &running)?;
        counts.extend(visits(runtime, long, &running)?);
        Ok(counts)
    });
    // What was left by a failure; its own error is the one to tell.
    for id in [ended, running] {
        let _ = succeed(&mut runtime.delete(&id), DEADLINE);
    }
    counts
}

/// A whole life. The first process of the container is waited for by `create`'s tracer, so that `create`
/// holds all that it does, also after `start` let it go.
fn life(runtime: &Oci, bundle: &Path, id: &str) -> Result<Counts> {
    let trace = |verb: &str| bundle.join(format!("{verb}.strace"));
    let mut tracer = traced(&runtime.create(bundle, id), &trace("create"))
        .spawn()
        .map_err(|e| format!("strace: {e}"))?;
    let started = wait_until_created(runtime, id)
        .and_then(|()| succeed(&mut traced(&runtime.on("start", id), &trace("start")), DEADLINE));
    if started.is_err() || !ends_within(&tracer, DEADLINE)? {
        let tree = end(&mut tracer)?;
        return Err(started.err().unwrap_or_else(|| format!("create under strace: hung\n{tree}")));
    }
    succeed(&mut traced(&runtime.on("delete", id), &trace("delete")), DEADLINE)?;
    Ok(vec![
        ("create", calls(&trace("create"), Some(PROGRAM))?),
        ("start", calls(&trace("start"), None)?),
        ("delete", calls(&trace("delete"), None)?),
    ])
}

/// What is done to a running container.
fn visits(runtime: &Oci, bundle: &Path, id: &str) -> Result<Counts> {
    let trace = |verb: &str| bundle.join(format!("{verb}.strace"));
    succeed(&mut traced(&runtime.on("state", id), &trace("state")), DEADLINE)?;
    succeed(&mut traced(&runtime.exec_true(id), &trace("exec")), DEADLINE)?;
    let resources = bundle.join("resources.json");
    fs::write(&resources, RESOURCES).map_err(|e| format!("{}: {e}", resources.display()))?;
    succeed(&mut traced(&runtime.update(id, &resources), &trace("update")), DEADLINE)?;
    for verb in ["pause", "resume"] {
        succeed(&mut traced(&runtime.on(verb, id), &trace(verb)), DEADLINE)?;
    }
    Ok(vec![
        ("state", calls(&trace("state"), None)?),
        ("exec", calls(&trace("exec"), Some(PROGRAM))?),
        ("update", calls(&trace("update"), None)?),
        ("pause", calls(&trace("pause"), None)?),
        ("resume", calls(&trace("resume"), None)?),
    ])
}

fn traced(command: &Command, trace: &Path) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["--follow-forks", "--quiet=all", "--output"]).arg(trace);
    strace.arg(command.get_program()).args(command.get_args());
    strace.stdin(Stdio::null()).stdout(Stdio::null());
    strace
}

fn wait_until_created(runtime: &Oci, id: &str) -> Result<()> {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        let output = runtime.on("state", id).stdout(Stdio::piped()).output();
        let text = output.map_err(|e| e.to_string())?.stdout;
        let state: Option<Value> = serde_json::from_slice(&text).ok();
        if state.is_some_and(|state| state["status"] == "created") {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(format!("{}: create under strace made no container", runtime.name))
}

fn calls(trace: &Path, program: Option<&str>) -> Result<u64> {
    let text = fs::read(trace).map_err(|e| format!("{}: {e}", trace.display()))?;
    let (count, executed) = tally(&String::from_utf8_lossy(&text), program);
    match program.is_some() == executed {
        true => Ok(count),
        false => Err(format!("{}: the program's execve isn't in it", trace.display())),
    }
}

/// Counts the lines of `strace -f` that begin a call, of each process up to the execve of `program`; also
/// says whether there was one.
fn tally(trace: &str, program: Option<&str>) -> (u64, bool) {
    let mut became: BTreeSet<&str> = BTreeSet::new();
    let mut count = 0;
    for line in trace.lines() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        // Signals, exits and the second halves of calls.
        if call.starts_with(['-', '+', '<']) || became.contains(pid) {
            continue;
        }
        count += 1;
        let path = call.split('[').next().unwrap_or_default();
        if call.starts_with("execve") && program.is_some_and(|p| path.contains(&format!("{p}\""))) {
            became.insert(pid);
        }
    }
    (count, !became.is_empty())
}

#[cfg(test)]
mod tests {
    use super::tally;

    const TRACE: &str = "\
7  execve(\"/usr/bin/coble\", [\"coble\", \"exec\", \"/bin/true\"], 0x1 /* 3 vars */) = 0
7  clone3({flags=0}, 88) = 8
7  wait4(8,  <unfinished ...>
8  execveat(3, \"\", [\"stage\"], 0x1, AT_EMPTY_PATH) = 0
8  execve(\"/bin/true\", [\"/bin/true\"], 0x1 <unfinished ...>
8  <... execve resumed>) = 0
8  brk(NULL) = 0x1
8  +++ exited with 0 +++
7  <... wait4 resumed>) = 8
7  --- SIGCHLD {si_signo=SIGCHLD} ---
7  exit_group(0) = ?
";

    #[test]
    fn a_call_counts_once_and_the_program_not_at_all() {
        assert_eq!(tally(TRACE, Some("/bin/true")), (6, true));
    }

    #[test]
    fn without_a_program_all_counts() {
        assert_eq!(tally(TRACE, None), (7, false));
    }

    #[test]
    fn a_missing_execve_is_noticed() {
        assert!(!tally(TRACE, Some("/bin/false")).1);
    }
}
