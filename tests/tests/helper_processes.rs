//! Which processes there are besides coble and the container's: none, but for newuidmap(1) and newgidmap(1).
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use coble_tests::{Bundle, Case, Cmd, NamedUser, PLAIN_ID};
use serde_json::json;

/// What strace(1) saw of `run`.
struct Trace {
    /// How many processes and threads there were from coble on.
    processes: usize,
    /// The programs that they became, without their folders. What has no path is coble's executor.
    programs: Vec<String>,
}

impl Trace {
    /// Reads a file of `strace -f -e trace=process`, from the start of `program` on.
    fn read(file: &Path, program: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap();
        let first = format!("execve(\"{}\"", program.display());
        let start = text.find(&first).expect("coble is started");
        let start = text[..start].rfind('\n').map_or(0, |end| end + 1);
        let lines: Vec<&str> = text[start..].lines().collect();
        let pids: BTreeSet<&str> =
            lines.iter().filter_map(|line| line.split_whitespace().next()).collect();
        let programs = lines.iter().filter_map(|line| executed(line)).collect();
        Self { processes: pids.len(), programs }
    }
}

/// The program of a line with execve(2) or execveat(2) that didn't fail.
fn executed(line: &str) -> Option<String> {
    let call = line.split_once(' ')?.1.trim_start();
    if !call.starts_with("execve") || call.contains(" = -1 ") {
        return None;
    }
    let path = call.split('"').nth(1)?;
    Some(path.rsplit('/').next()?.to_owned())
}

/// Traces `run` of a bundle.
fn traced(case: &Case, bundle: &Bundle) -> Trace {
    bundle.write();
    let file = trace_file(case);
    let strace = case.tool("strace").args(["-f", "-qq", "-e", "trace=process", "-o"]).arg(&file);
    let strace = strace.arg(case.program()).arg("--root").arg(case.state_root());
    finish(case, strace, bundle, &file)
}

fn trace_file(case: &Case) -> PathBuf {
    case.folder("trace").join("processes")
}

fn finish(case: &Case, command: Cmd, bundle: &Bundle, file: &Path) -> Trace {
    command.args(["run", "--bundle"]).arg(&bundle.path).arg(&case.id).output().ok();
    case.assert_clean();
    Trace::read(file, case.program())
}

#[track_caller]
fn assert_programs(trace: &Trace, further: &[&str]) {
    // Some go on at the same time.
    let mut programs: Vec<&str> = trace.programs.iter().map(String::as_str).collect();
    let mut wanted = [&["coble", "", "true"], further].concat();
    programs.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(programs, wanted);
    assert_eq!(trace.processes, 2 + further.len(), "each is one process");
}

#[test]
fn a_user_namespace_of_root_takes_none() {
    let Some(case) = Case::root().filter(Case::has_strace) else { return };
    let mut bundle = case.bundle();
    bundle.user_namespace(100_000, 65536);
    case.give_rootfs(&bundle, 100_000);
    bundle.args(&["true"]);
    assert_programs(&traced(&case, &bundle), &[]);
}

#[test]
fn a_plain_user_takes_none() {
    let Some(case) = Case::plain().filter(Case::has_strace) else { return };
    let mut bundle = case.bundle();
    bundle.args(&["true"]);
    assert_programs(&traced(&case, &bundle), &[]);
}

#[test]
fn ranges_of_a_plain_user_take_those_that_write_them() {
    let Some(case) = Case::plain().filter(Case::has_strace) else { return };
    let ranges = "coble-plain:2000000:65536\n";
    let Some(user) = NamedUser::new(&case, ranges, ranges) else { return };
    let mut bundle = case.bundle();
    bundle.namespace("user");
    for member in ["uidMappings", "gidMappings"] {
        bundle.config["linux"][member] = json!([
            {"containerID": 0, "hostID": PLAIN_ID, "size": 1},
            {"containerID": 1, "hostID": 2_000_000, "size": 65536},
        ]);
    }
    bundle.args(&["true"]).write();
    let file = trace_file(&case);
    let trace = finish(&case, user.traced(&file), &bundle, &file);
    assert_programs(&trace, &["newuidmap", "newgidmap"]);
}
