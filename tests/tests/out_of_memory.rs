//! Processes that the kernel kills for want of memory: who says so, and when nobody does.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::{Path, PathBuf};

use coble_tests::{Bundle, Case, Output, skip, wait};
use serde_json::{Value, json};

const TOP: &str = "/sys/fs/cgroup";
const LIMIT: u64 = 24 << 20;
const POINTER: &str = "/linux/resources/memory/limit";
/// Eats memory until it is killed.
const EATER: &str = "tail /dev/zero";
const REACHED: &str = "its memory limit of 25165824 bytes was reached";

/// The folder below which cgroups have limits of memory, with v1 or v2.
fn memory_top() -> Option<PathBuf> {
    let v1 = Path::new(TOP).join("memory");
    if v1.join("memory.limit_in_bytes").exists() {
        return Some(v1);
    }
    let controllers = fs::read_to_string(Path::new(TOP).join("cgroup.controllers"));
    if controllers.is_ok_and(|names| names.split_whitespace().any(|name| name == "memory")) {
        return Some(TOP.into());
    }
    skip("no hierarchy of cgroups limits memory here");
    None
}

/// A case whose container has little memory and no swap; its program is a line for the shell.
fn case(line: &str) -> Option<(Case, Bundle)> {
    let case = Case::root()?;
    memory_top()?;
    let mut bundle = case.bundle();
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    limit(&mut bundle, LIMIT);
    bundle.writable().sh(line);
    Some((case, bundle))
}

fn limit(bundle: &mut Bundle, bytes: u64) {
    let memory = &mut bundle.config["linux"]["resources"]["memory"];
    *memory = json!({"limit": bytes});
    let top = Path::new(TOP);
    if top.join("cgroup.controllers").exists()
        || top.join("memory/memory.memsw.limit_in_bytes").exists()
    {
        memory["swap"] = bytes.into();
    }
}

/// One line of warning with each of `words`, beside the process's own status.
#[track_caller]
fn warns(output: &Output, status: i32, words: &[&str]) {
    assert_eq!(output.code, Some(status), "{output}");
    let lines: Vec<&str> = output.stderr.lines().filter(|line| line.contains("coble")).collect();
    assert_eq!(lines.len(), 1, "{output}");
    for word in [&["coble: warning: container ", " was out of memory: "], words].concat() {
        assert!(lines[0].contains(word), "it doesn't say `{word}`: {output}");
    }
}

fn kills(state: &Value) -> Option<&str> {
    state["annotations"]["coble.oom_kill"].as_str()
}

#[test]
fn run_says_that_its_program_was_killed() {
    let Some((case, bundle)) = case(&format!("exec {EATER}")) else { return };
    let said = case.run(&bundle).output();
    warns(&said, 137, &["the kernel has killed 1 process of it (OOM)", REACHED]);
    case.assert_clean();
}

#[test]
fn run_says_that_a_process_of_a_failed_program_was_killed() {
    let Some((case, bundle)) = case(&format!("{EATER}; {EATER}; exit 3")) else { return };
    warns(&case.run(&bundle).output(), 3, &["killed 2 processes of it (OOM)", REACHED]);
}

#[test]
fn run_says_nothing_of_a_program_that_got_over_it() {
    let Some((case, bundle)) = case(&format!("{EATER} 2> /dev/null; exit 0")) else { return };
    let output = case.run(&bundle).output().ok();
    assert!(!output.stderr.contains("coble"), "{output}");
}

#[test]
fn nobody_speaks_of_memory_when_that_was_not_why() {
    let Some((case, mut bundle)) = case("kill -9 $$; sleep 1000") else { return };
    bundle.without_namespace("pid");
    let output = case.run(&bundle).output().exits(137);
    assert_eq!(output.stderr, "");
    bundle.sh("exit 3");
    assert_eq!(case.run(&bundle).output().exits(3).stderr, "");
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    assert_eq!(kills(&case.state()), None);
}

#[test]
fn the_state_of_a_stopped_container_counts_them() {
    let go = "until test -e /tmp/go; do sleep 0.02; done";
    let Some((case, bundle)) = case(&format!("{EATER}; touch /tmp/one; {go}; exec {EATER}")) else {
        return;
    };
    case.detach(&bundle);
    wait::until("the first one to be killed", || bundle.inside("/tmp/one").exists());
    assert_eq!(kills(&case.state()), None, "it runs");
    fs::write(bundle.inside("/tmp/go"), "").unwrap();
    case.until_stopped();
    assert_eq!(kills(&case.state()), Some("2"));
    let list = case.coble().args(["list", "--format", "json"]).output().stdout();
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!(kills(&list[0]), Some("2"));
    case.delete();
}

#[test]
fn run_leaves_the_count_of_what_it_keeps() {
    let Some((case, bundle)) = case(&format!("exec {EATER}")) else { return };
    warns(&case.run_with(&bundle, &["--keep"]).output(), 137, &[REACHED]);
    assert_eq!(kills(&case.state()), Some("1"));
    case.delete();
}

#[test]
fn exec_says_that_its_process_was_killed() {
    let Some((case, bundle)) = case("sleep 1000") else { return };
    case.detach(&bundle);
    let eat = case.exec(&["sh", "-c", &format!("exec {EATER}")]).output();
    warns(&eat, 137, &["killed 1 process of it (OOM)", REACHED]);
    // What was before is not told again.
    let other = case.exec(&["sh", "-c", "exit 3"]).output().exits(3);
    assert_eq!(other.stderr, "");
    let twice = case.exec(&["sh", "-c", &format!("{EATER}; {EATER}; exit 4")]).output();
    warns(&twice, 4, &["killed 2 processes of it (OOM)"]);
    assert_eq!(case.status(), "running");
}

#[test]
fn a_hook_that_was_killed_is_no_riddle() {
    let Some((case, mut bundle)) = case("sleep 1000") else { return };
    bundle.hook("createContainer", &format!("exec {EATER}"));
    let words =
        ["createContainer hook #0", "killed by signal 9", POINTER, "25165824 bytes is too low"];
    case.refuses(case.run(&bundle), &words);
    case.refuses(case.create(&bundle), &words);
    bundle.config["hooks"] = json!({});
    bundle.hook("startContainer", &format!("exec {EATER}"));
    bundle.config["process"]["env"] = json!(["PATH=/bin"]);
    case.create(&bundle).output().ok();
    let words =
        ["startContainer hook", "killed by signal 9", "killed 1 process of it (OOM)", REACHED];
    case.verb(&["start"]).output().refused(&words);
    case.until_stopped();
    assert_eq!(kills(&case.state()), Some("1"));
    case.delete();
}

#[test]
fn a_limit_that_is_too_low_for_the_start_is_named() {
    let Some((case, mut bundle)) = case("true") else { return };
    let mut refused = 0;
    for limited in (0..40).map(|step| 4096 + step * 8192) {
        limit(&mut bundle, limited);
        for verb in ["run", "create"] {
            bundle.write();
            let verb = case.coble().arg(verb).arg("--bundle").arg(&bundle.path).arg(&case.id);
            let output = verb.output();
            // The program itself may be what finds too little.
            if output.code == Some(1) {
                let value = format!("a memory limit of {limited} bytes is too low");
                output.refused(&["unable to start container process", POINTER, &value]);
                case.assert_clean();
                refused += 1;
            } else if output.code == Some(137) {
                warns(&output, 137, &["(OOM)"]);
            } else {
                output.ok();
            }
            case.delete_force();
            case.assert_clean();
        }
    }
    assert!(refused > 0, "4096 bytes were enough");
}

/// Makes the container's cgroup beforehand, and has the kernel kill a process in it.
fn used_before(case: &Case) {
    let own = memory_top().unwrap().join(&case.id);
    fs::create_dir(&own).unwrap();
    let limits = [
        ("memory.max", LIMIT),
        ("memory.swap.max", 0),
        ("memory.limit_in_bytes", LIMIT),
        ("memory.memsw.limit_in_bytes", LIMIT),
    ];
    for (file, value) in limits.iter().filter(|(file, _)| own.join(file).exists()) {
        fs::write(own.join(file), value.to_string()).unwrap();
    }
    let line = format!("echo $$ > {}/cgroup.procs; exec {EATER}", own.display());
    let eater = case.tool("sh").args(["-c", &line]).output();
    assert_eq!(eater.signal, Some(9), "{eater}");
}

#[test]
fn what_a_cgroup_has_counted_before_is_not_the_containers() {
    let Some((case, mut bundle)) = case("exit 3") else { return };
    used_before(&case);
    assert_eq!(case.run_with(&bundle, &["--keep"]).output().exits(3).stderr, "");
    assert_eq!(kills(&case.state()), None);
    case.delete_force();

    used_before(&case);
    bundle.sh(&format!("exec {EATER}"));
    warns(&case.run_with(&bundle, &["--keep"]).output(), 137, &["killed 1 process of it"]);
    assert_eq!(kills(&case.state()), Some("1"));
}
