//! Hooks: all six kinds, when and where they run, what they get, and what their failure does.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Bundle, Case, wait};
use serde_json::{Value, json};

const KINDS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// A bundle where each kind has two hooks that note their name and their standard input. The notes of hooks that
/// run in the container go to a folder that is bound into it.
fn noting(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    let notes = case.folder("notes");
    let place = notes.to_str().unwrap().to_owned();
    bundle.mount("bind", &place, &place, &["bind", "rw"]);
    for kind in KINDS {
        for nth in [1, 2] {
            let name = format!("{kind}-{nth}");
            bundle.hook(kind, &format!("cat > {place}/{name}; echo {name} >> {place}/log"));
        }
    }
    bundle
}

fn log(case: &Case) -> Vec<String> {
    let text = fs::read_to_string(case.dir.join("notes/log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn names(kinds: &[&str]) -> Vec<String> {
    kinds.iter().flat_map(|kind| [format!("{kind}-1"), format!("{kind}-2")]).collect()
}

#[test]
fn every_kind_runs_in_its_turn() {
    let Some(case) = Case::root() else { return };
    let mut bundle = noting(&case);
    bundle.sh("sleep 1000");
    case.create(&bundle).output().ok();
    assert_eq!(log(&case), names(&KINDS[..3]), "create");
    case.verb(&["start"]).output().ok();
    assert_eq!(log(&case), names(&KINDS[..5]), "start");
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    assert_eq!(log(&case), names(&KINDS[..5]), "the end of the process");
    case.delete();
    assert_eq!(log(&case), names(&KINDS), "delete");
}

#[test]
fn run_runs_them_all() {
    let Some(case) = Case::root() else { return };
    let mut bundle = noting(&case);
    let place = case.dir.join("notes/log");
    bundle.sh(&format!("echo process >> {}", place.display()));
    case.run(&bundle).output().ok();
    let ran = log(&case);
    let hooks: Vec<String> = ran.iter().filter(|line| *line != "process").cloned().collect();
    assert_eq!(hooks, names(&KINDS));
    let position = ran.iter().position(|line| line == "process").expect("the process ran");
    assert!(position >= 8, "the process runs after startContainer: {ran:?}");
}

#[test]
fn the_state_is_on_standard_input() {
    let Some(case) = Case::root() else { return };
    let mut bundle = noting(&case);
    bundle.sh("sleep 1000");
    bundle.config["annotations"]["org.example.key"] = "a value".into();
    case.create(&bundle).output().ok();
    let pid = case.pid();
    case.verb(&["start"]).output().ok();
    case.delete_force();
    assert_told(&case, &bundle, |kind, state| {
        if matches!(kind, "prestart" | "createRuntime" | "poststart") {
            assert_eq!(state["pid"], pid, "{kind}");
        }
    });
    bundle.sh("true");
    case.run(&bundle).output().ok();
    assert_told(&case, &bundle, |kind, state| {
        if matches!(kind, "prestart" | "createRuntime" | "poststart") {
            assert_ne!(state["pid"], pid, "{kind}");
        }
    });
}

/// What the first hook of each kind was told, and more by `check`.
fn assert_told(case: &Case, bundle: &Bundle, check: impl Fn(&str, &Value)) {
    for (kind, status) in
        KINDS.into_iter().zip(["creating", "creating", "creating", "created", "running", "stopped"])
    {
        let text = fs::read(case.dir.join("notes").join(format!("{kind}-1"))).unwrap();
        let state: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(state["id"], case.id.as_str(), "{kind}");
        assert_eq!(state["status"], status, "{kind}");
        assert_eq!(state["bundle"], bundle.path.to_str().unwrap(), "{kind}");
        assert_eq!(state["ociVersion"], bundle.config["ociVersion"], "{kind}");
        assert_eq!(state["annotations"]["org.example.key"], "a value", "{kind}");
        // The number of a process that has ended may be another's.
        assert_eq!(state["pid"].is_u64(), kind != "poststop", "{kind}: {state}");
        check(kind, &state);
    }
}

#[test]
fn hooks_run_where_they_belong() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let notes = case.folder("notes");
    let place = notes.to_str().unwrap().to_owned();
    bundle.mount("bind", &place, &place, &["bind", "rw"]);
    for kind in KINDS {
        bundle.hook(
            kind,
            &format!("cd {place}; readlink /proc/self/ns/net > {kind}; ls / >> {kind}"),
        );
    }
    bundle.args(&["readlink", "/proc/self/ns/net"]);
    let inside = case.run(&bundle).output().stdout();
    let outside = fs::read_link("/proc/self/ns/net").unwrap().to_string_lossy().into_owned() + "\n";
    for (kind, namespace, root) in [
        ("prestart", &outside, "host"),
        ("createRuntime", &outside, "host"),
        ("createContainer", &inside, "host"),
        ("startContainer", &inside, "container"),
        ("poststart", &outside, "host"),
        ("poststop", &outside, "host"),
    ] {
        let note = fs::read_to_string(notes.join(kind)).unwrap();
        assert!(note.starts_with(namespace.as_str()), "{kind}: {note}");
        let host_folder = note.contains("\nboot\n") || note.contains("\nhome\n");
        assert_eq!(host_folder, root == "host", "{kind}: {note}");
    }
}

#[test]
fn arguments_and_environment_are_the_hooks_own() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let out = case.dir.join("out");
    let script =
        case.file("hook", &format!("#!/bin/sh\n(echo \"$@\"; env; pwd) > {}\n", out.display()));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&script, mode).unwrap();
    bundle.list("/hooks/createRuntime").push(json!({
        "path": script, "args": ["zeroth", "first arg", "second"], "env": ["ONLY=this"],
    }));
    case.run(&bundle).env("FROM_THE_CALLER", "leaks").output().ok();
    let said = fs::read_to_string(&out).unwrap();
    assert!(said.starts_with("first arg second\n"), "{said}");
    assert!(said.contains("ONLY=this\n") && !said.contains("FROM_THE_CALLER"), "{said}");
    assert!(said.ends_with(&format!("{}\n", bundle.path.display())), "in the bundle: {said}");
}

#[test]
fn a_hook_can_make_the_containers_network() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let nsenter = "pid=$(sed -E 's/.*\"pid\": ?([0-9]+).*/\\1/'); \
                   nsenter -t $pid -n ip link add ours type dummy";
    bundle.hook("createRuntime", nsenter).args(&["ls", "/sys/class/net"]);
    let output = case.run(&bundle).output();
    if output.stderr.contains("Unknown device type") || output.stderr.contains("not supported") {
        return coble_tests::skip("the kernel has no dummy network device");
    }
    assert!(output.stdout.contains("ours\n"), "{output}");
}

#[test]
fn a_failing_hook_ends_create() {
    let Some(case) = Case::root() else { return };
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let mut bundle = case.bundle_at(kind);
        bundle.hook(kind, "echo the reason >&2; exit 7");
        case.refuses(case.create(&bundle), &["hook", "exit status 7", "the reason"]);
        case.refuses(case.run(&bundle), &["hook", "exit status 7", "the reason"]);
    }
}

#[test]
fn a_failing_start_container_hook_keeps_the_process_from_running() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.hook("startContainer", "echo the reason >&2; exit 7");
    bundle.writable().sh("touch /tmp/ran");
    case.refuses(case.run(&bundle), &["hook", "exit status 7"]);
    case.create(&bundle).output().ok();
    case.verb(&["start"]).output().refused(&["hook", "exit status 7"]);
    case.until_stopped();
    case.delete();
    assert!(!bundle.inside("/tmp/ran").exists());
    case.assert_clean();
}

#[test]
fn a_failing_poststart_hook_stops_the_container() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.hook("poststart", "exit 7").sh("sleep 1000");
    case.refuses(case.run(&bundle), &["hook", "exit status 7"]);
    case.create(&bundle).output().ok();
    case.verb(&["start"]).output().refused(&["hook", "exit status 7"]);
    case.until_stopped();
    case.delete();
    case.assert_clean();
}

/// What the hooks before have made, those take away (runtime.md, "Lifecycle", steps 12 and 13).
#[test]
fn poststop_follows_whatever_fails_once_hooks_have_run() {
    let Some(case) = Case::root() else { return };
    let place = case.folder("notes").join("log");
    for (kind, words) in [
        ("program", "executable file not found"),
        ("createRuntime", "exit status 7"),
        ("createContainer", "exit status 7"),
        ("startContainer", "exit status 7"),
        ("poststart", "exit status 7"),
    ] {
        let mut bundle = case.bundle_at(kind);
        bundle.hook("createRuntime", &format!("echo made >> {}", place.display()));
        bundle.hook("poststop", &format!("cat >> {}; echo >> {0}", place.display()));
        match kind {
            "program" => bundle.args(&["no-such-program"]),
            hook => bundle.hook(hook, "exit 7"),
        };
        // `start` leaves the container to `delete`.
        let fails_at_start = ["startContainer", "poststart"].contains(&kind);
        let create = (!fails_at_start).then(|| case.create(&bundle));
        for command in create.into_iter().chain([case.run(&bundle)]) {
            case.refuses(command, &[words]);
            let said = fs::read_to_string(&place).unwrap();
            let (made, state) = said.split_once('\n').unwrap();
            let state: Value = serde_json::from_str(state).unwrap();
            assert_eq!((made, &state["status"]), ("made", &json!("stopped")), "{kind}: {said}");
            fs::remove_file(&place).unwrap();
        }
    }
}

#[test]
fn a_poststop_hook_that_fails_then_is_told_besides() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["no-such-program"]).hook("poststop", "exit 7");
    let words = ["executable file not found", "poststop hook #0", "exit status 7"];
    case.refuses(case.create(&bundle), &words);
}

#[test]
fn before_hooks_can_run_there_is_no_poststop() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let ran = case.dir.join("ran");
    bundle.hook("poststop", &format!("echo > {}", ran.display()));
    bundle.config["linux"]["resources"] = json!({ "unified": { "no.such": "1" } });
    assert_eq!(case.create(&bundle).output().code, Some(1));
    assert!(!ran.exists());
    case.assert_clean();
}

#[test]
fn a_successor_that_a_hook_makes_is_left_alone() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle_at("first");
    let mut next = case.bundle_at("next");
    next.sh("exec sleep 1000").write();
    let own = format!("{} --root {}", case.program().display(), case.state_root().display());
    let (id, path) = (&case.id, next.path.display());
    let line = format!("{own} delete -f {id} && {own} run -d -b {path} {id} <&- >&- && exit 7");
    bundle.hook("poststart", &line).sh("exec sleep 1000");
    case.run(&bundle).output().refused(&["exit status 7"]);
    assert_eq!(case.status(), "running");
    case.delete_force();
}

/// Its memory is nobody's once the hook has ended.
#[test]
fn what_a_hook_leaves_behind_can_not_write_on() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let told = case.dir.join("told");
    let late = "while echo more; do sleep 0.01; done; echo ended > ";
    bundle.hook("createRuntime", &format!("({late}{}) & exit 0", told.display()));
    case.run(&bundle).output().ok();
    wait::until("the end of what it has left", || told.exists());
}

#[test]
fn a_failing_poststop_hook_is_a_warning() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let after = case.dir.join("after");
    bundle.hook("poststop", "exit 7").hook("poststop", &format!("echo > {}", after.display()));
    case.detach(&bundle);
    case.until_stopped();
    let output = case.verb(&["delete"]).output().ok();
    assert!(output.stderr.contains("exit status 7"), "{output}");
    assert!(after.exists(), "the next hook runs all the same");
    case.assert_clean();
}

#[test]
fn a_missing_hook_is_named() {
    let Some(case) = Case::root() else { return };
    for kind in &KINDS[..4] {
        let mut bundle = case.bundle_at(kind);
        bundle.list(&format!("/hooks/{kind}")).push(json!({"path": "/no/such/hook"}));
        case.refuses(case.run(&bundle), &["/no/such/hook", "no such file or directory"]);
    }
    let mut bundle = case.bundle_at("relative");
    bundle.list("/hooks/createRuntime").push(json!({"path": "relative/hook"}));
    case.refuses(case.run(&bundle), &["relative/hook"]);
}

#[test]
fn a_hook_that_takes_too_long_is_killed() {
    let Some(case) = Case::root() else { return };
    for kind in &KINDS[..4] {
        let mut bundle = case.bundle_at(kind);
        let sleep =
            json!({"path": "/bin/sh", "args": ["sh", "-c", "exec sleep 1000"], "timeout": 1});
        bundle.list(&format!("/hooks/{kind}")).push(sleep);
        case.refuses(case.run(&bundle), &["hook", "timeout"]);
    }
}

#[test]
fn a_timeout_must_be_positive() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.list("/hooks/createRuntime").push(json!({"path": "/bin/true", "timeout": 0}));
    case.refuses(case.run(&bundle), &["/hooks/createRuntime/0", "timeout"]);
}

#[test]
fn a_hook_that_does_not_read_its_input_is_fine() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["annotations"]["filler"] = "x".repeat(300_000).into();
    for kind in KINDS {
        bundle.list(&format!("/hooks/{kind}")).push(json!({"path": "/bin/true"}));
    }
    case.run(&bundle).output().ok();
}

#[test]
fn delete_waits_for_poststop() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let done = case.dir.join("done");
    bundle.hook("poststop", &format!("sleep 0.3; echo > {}", done.display())).sh("sleep 1000");
    case.detach(&bundle);
    wait::until("the container to run", || case.status() == "running");
    case.delete_force();
    assert!(done.exists());
}

#[test]
fn poststart_finds_the_program_running() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let seen = case.dir.join("seen");
    // The name in `comm` comes a moment later.
    let line = "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); readlink /proc/$pid/exe";
    bundle.hook("poststart", &format!("{line} > {}", seen.display())).sh("exec sleep 1000");
    case.create(&bundle).output().ok();
    case.verb(&["start"]).output().ok();
    let program = fs::read_to_string(&seen).unwrap();
    assert!(program.ends_with("/bin/busybox\n"), "{program}");
    case.delete_force();
    case.detach(&bundle);
    assert_eq!(fs::read_to_string(&seen).unwrap(), program, "run");
}

#[test]
fn late_hooks_that_take_too_long() {
    let Some(case) = Case::root() else { return };
    let sleep = json!({"path": "/bin/sh", "args": ["sh", "-c", "exec sleep 1000"], "timeout": 1});
    let mut bundle = case.bundle_at("poststart");
    bundle.list("/hooks/poststart").push(sleep.clone());
    bundle.sh("sleep 1000");
    case.refuses(case.run(&bundle), &["poststart hook #0", "timeout"]);
    let mut bundle = case.bundle_at("poststop");
    bundle.list("/hooks/poststop").push(sleep);
    let output = case.run(&bundle).output().ok();
    assert!(
        output.stderr.contains("poststop hook #0") && output.stderr.contains("timeout"),
        "{output}"
    );
    case.assert_clean();
}

#[test]
fn a_limit_of_the_programs_files_bounds_no_state() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["rlimits"] = json!([{"type": "RLIMIT_FSIZE", "hard": 10, "soft": 10}]);
    for length in [0, 50_000] {
        bundle.config["annotations"]["long"] = "x".repeat(length).into();
        let line = "test $(wc -c) -gt 100 && exit 9";
        bundle.config["hooks"] =
            json!({"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", line]}]});
        case.run(&bundle).output().fails(1, &["exit status 9"]);
        bundle.config["hooks"]["startContainer"][0]["args"][2] = "exit 0".into();
        case.run(&bundle).output().ok();
    }
}

#[test]
fn hooks_have_their_three_streams_open_and_nothing_else() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["true"]).config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]});
    for kind in ["createContainer", "startContainer"] {
        let hook = json!([{"path": "/bin/sh", "args": ["sh", "-c", "ls /proc/self/fd; exit 9"]}]);
        bundle.config["hooks"] = json!({ kind: hook });
        bundle.write();
        let script = "exec 3</etc 4</etc; exec \"$@\"";
        let run = case.tool("bash").args(["-c", script, "bash"]).arg(case.program()).arg("--root");
        let run = run.arg(case.state_root()).args(["run", "--preserve-fds", "2", "-b"]);
        let said = run.arg(&bundle.path).arg(&case.id).output().fails(1, &["exit status 9"]);
        assert!(
            said.stderr.ends_with("output: 0 1 2 3\n"),
            "3 is the folder that ls reads: {said}"
        );
    }
}
