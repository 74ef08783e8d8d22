//! Notifications: the agent that a filter names answers for the program's calls.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use coble_seccomp::Arch;
use coble_sys::notification::{let_through, notification, refuse};
use coble_tests::{Bundle, Case, FdSocket, wait};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde_json::{Value, json};

/// Answers for every listener that it gets: making directories fails with `EXDEV`, all else is let through.
struct Agent {
    /// What came with the listeners.
    states: Arc<Mutex<Vec<Value>>>,
    /// Which calls were asked for.
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl Agent {
    /// Takes as many listeners.
    fn listen(path: &Path, count: usize) -> Self {
        let socket = FdSocket::new(path);
        let agent = Self { states: Arc::default(), calls: Arc::default() };
        let (states, calls) = (agent.states.clone(), agent.calls.clone());
        thread::spawn(move || {
            for _ in 0..count {
                let (message, listener) = socket.receive();
                let mut state: Value = serde_json::from_slice(&message).unwrap();
                // The process is there and waits.
                let pid = state["pid"].as_u64().unwrap();
                let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
                state["filtered"] = status.contains("Seccomp:\t2").into();
                states.lock().unwrap().push(state);
                let calls = calls.clone();
                thread::spawn(move || answer(&listener, &calls));
            }
        });
        agent
    }

    fn states(&self) -> Vec<Value> {
        self.states.lock().unwrap().clone()
    }

    fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }
}

/// Until nobody runs under the filter any more.
fn answer(listener: &OwnedFd, calls: &Mutex<Vec<&'static str>>) {
    loop {
        let mut watched = [PollFd::new(listener, PollFlags::IN)];
        poll(&mut watched, None).unwrap();
        if !watched[0].revents().contains(PollFlags::IN) {
            return;
        }
        let Ok(asked) = notification(listener.as_fd()) else { continue };
        let name = Arch::NATIVE.call(asked.number).unwrap();
        calls.lock().unwrap().push(name);
        let _ = match name {
            "mkdir" | "mkdirat" => refuse(listener.as_fd(), asked.id, Errno::XDEV.raw_os_error()),
            _ => let_through(listener.as_fd(), asked.id),
        };
    }
}

const MKDIR: &str = "mkdir /tmp/made";
/// What busybox says.
const REFUSED: &str = "Invalid cross-device link";

/// The calls are left to an agent at this path.
fn notified(case: &Case, script: &str, names: &[&str], agent: &Path) -> Bundle {
    let mut bundle = case.bundle();
    bundle.writable();
    bundle.sh(script);
    bundle.config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": agent, "listenerMetadata": "of the test",
        "syscalls": [{"names": names, "action": "SCMP_ACT_NOTIFY"}],
    });
    bundle
}

#[test]
fn an_agent_answers_for_a_run() {
    let Some(case) = Case::root() else { return };
    let path = case.dir.join("agent");
    let agent = Agent::listen(&path, 1);
    let bundle = notified(&case, MKDIR, &["mkdir", "mkdirat"], &path);
    case.run(&bundle).output().fails(1, &[REFUSED]);
    let states = agent.states();
    let [state] = states.as_slice() else { panic!("{states:?}") };
    assert_eq!(state["fds"], json!(["seccompFd"]));
    assert_eq!(state["metadata"], "of the test");
    assert_eq!(state["ociVersion"], state["state"]["ociVersion"]);
    assert_eq!(state["pid"], state["state"]["pid"]);
    assert_eq!(state["state"]["id"], case.id);
    assert_eq!(state["state"]["status"], "created");
    assert_eq!(state["state"]["bundle"], bundle.path.to_str().unwrap());
    assert_eq!(state["filtered"], true);
    assert!(agent.calls().iter().all(|call| call.starts_with("mkdir")));
    case.assert_clean();
}

/// Nothing is sent while the container waits: its hooks and the wait itself aren't the program's calls.
#[test]
fn an_agent_gets_the_listener_at_start_and_at_each_exec() {
    let Some(case) = Case::root() else { return };
    let path = case.dir.join("agent");
    let agent = Agent::listen(&path, 3);
    let script = format!("{MKDIR}; sleep 1000");
    let names = ["mkdir", "mkdirat", "write", "openat", "close", "read", "execve", "connect"];
    let mut bundle = notified(&case, &script, &names, &path);
    let hook = json!([{"path": "/bin/sh", "args": ["sh", "-c", "mkdir /tmp/hook"]}]);
    bundle.config["hooks"] = json!({"startContainer": hook});
    case.create(&bundle).output().ok();
    assert_eq!(agent.states(), Vec::<Value>::new());
    let pid = case.pid();
    case.verb(&["start"]).output().ok();
    assert!(bundle.inside("/tmp/hook").is_dir());
    assert_eq!(agent.states()[0]["pid"], pid);
    assert_eq!(agent.calls()[0], "execve");
    wait::until("the program's mkdir", || {
        agent.calls().iter().any(|call| call.starts_with("mkdir"))
    });
    let output = case.exec(&["sh", "-c", MKDIR]).output();
    output.fails(1, &[REFUSED]);
    let state = agent.states()[1].clone();
    assert_eq!(
        (&state["state"]["status"], &state["state"]["pid"]),
        (&json!("running"), &json!(pid))
    );
    assert_ne!(state["pid"], pid);
    assert_eq!(state["filtered"], true);
    case.exec(&["sh", "-c", "echo through it"]).output().ok();
    assert_eq!(agent.states().len(), 3);
    case.delete_force();
}

/// Every call of the program can be left to an agent, the exec included; it needs no new privileges to be without.
#[test]
fn everything_can_be_left_to_an_agent() {
    let Some(case) = Case::root() else { return };
    let path = case.dir.join("agent");
    let agent = Agent::listen(&path, 5);
    let mut bundle = notified(&case, "echo said", &[], &path);
    bundle.config["linux"]["seccomp"] =
        json!({"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": path});
    for (no_new_privileges, uid) in [(true, 0), (false, 0), (true, 1000), (false, 1000)] {
        bundle.config["process"]["noNewPrivileges"] = no_new_privileges.into();
        bundle.config["process"]["user"] = json!({"uid": uid, "gid": uid});
        let output = case.run(&bundle).output().ok();
        assert_eq!(output.stdout, "said\n");
    }
    // Where the executor goes on in a child, and where it can't make a thread before it has run a program.
    let namespaces = bundle.config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.push(json!({"type": "time"}));
    bundle.config["linux"]["timeOffsets"] = json!({"monotonic": {"secs": 1000}});
    assert_eq!(case.run(&bundle).output().ok().stdout, "said\n");
    let calls = agent.calls();
    for name in ["execve", "write", "exit_group"] {
        assert!(calls.contains(&name), "{name}: {calls:?}");
    }
}

#[test]
fn without_an_agent_nothing_runs() {
    let Some(case) = Case::root() else { return };
    let path = case.dir.join("agent");
    let words = format!("failed to connect with seccomp agent at {}", path.display());
    let mut bundle = notified(&case, "echo ran", &["mkdir"], &path);
    // There is no socket.
    for command in [case.run(&bundle), case.create(&bundle)] {
        let output = case.refuses(command, &[&words, "no such file or directory"]);
        assert_eq!(output.stdout, "");
    }
    // There is one that nobody listens on.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let output = case.refuses(case.run(&bundle), &[&words, "connection refused"]);
    assert_eq!(output.stdout, "");
    case.create(&bundle).output().ok();
    case.verb(&["start"]).output().fails(1, &[&words, "connection refused"]);
    case.until_stopped();
    case.delete();
    // A path that nobody can listen on.
    bundle.config["linux"]["seccomp"]["listenerPath"] = format!("/{}", "x".repeat(200)).into();
    case.refuses(case.run(&bundle), &["file name too long"]);
    for (path, words) in
        [(json!(null), "listenerPath is not set"), (json!("agent"), "not absolute")]
    {
        bundle.config["linux"]["seccomp"]["listenerPath"] = path;
        bundle.config["linux"]["seccomp"]["listenerMetadata"] = json!(null);
        let words = ["/linux/seccomp/listenerPath", words];
        case.refuses(case.run(&bundle), &words);
    }
}

/// The listener is handed over by a thread, for which there is no room.
#[test]
fn a_filter_that_can_not_be_loaded_is_named() {
    let Some(case) = Case::root() else { return };
    let path = case.dir.join("agent");
    let _agent = Agent::listen(&path, 1);
    let mut bundle = notified(&case, "echo ran", &["mkdir"], &path);
    bundle.config["linux"]["resources"]["pids"] = json!({"limit": 1});
    let words = ["load ", "system call filter", "(/linux/seccomp)", "thread", "temporarily"];
    case.refuses(case.run(&bundle), &words);
    case.create(&bundle).output().ok();
    let output = case.verb(&["start"]).output().fails(1, &words);
    assert!(!output.stderr.contains("hook"), "{output}");
    case.until_stopped();
    case.delete();
}

#[test]
fn an_agent_that_goes_away_leaves_calls_unanswered() {
    let Some(case) = Case::root() else { return };
    let socket = FdSocket::new(&case.dir.join("agent"));
    let bundle = notified(&case, MKDIR, &["mkdir", "mkdirat"], &socket.path);
    let run = case.run(&bundle).spawn();
    drop(socket.receive());
    run.wait().fails(1, &["Function not implemented"]);
}

/// Whoever is to fetch the listener ends before it has: then nothing runs.
#[test]
fn a_start_that_is_killed_starts_nothing() {
    let Some(case) = Case::root() else { return };
    let path = case.dir.join("agent");
    let bundle = notified(&case, "echo ran > /tmp/ran", &["mkdir"], &path);
    // It takes no connection, so that `start` waits.
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
    case.create(&bundle).output().ok();
    let start = case.verb(&["start"]).spawn();
    let pid = case.pid();
    let filtered = || {
        fs::read_to_string(format!("/proc/{pid}/status"))
            .is_ok_and(|status| status.contains("Seccomp:\t2"))
    };
    wait::until("the filter is loaded", filtered);
    start.signal(rustix::process::Signal::KILL);
    start.wait();
    case.until_stopped();
    assert!(!bundle.inside("/tmp/ran").exists());
    case.delete();
}

#[test]
fn plain_users_have_agents_too() {
    let Some(case) = Case::plain() else { return };
    let path = case.dir.join("agent");
    let agent = Agent::listen(&path, 2);
    rustix::fs::chmod(&path, 0o777.into()).unwrap();
    let script = format!("{MKDIR}; sleep 1000");
    let bundle = notified(&case, &script, &["mkdir", "mkdirat"], &path);
    case.create(&bundle).output().ok();
    case.verb(&["start"]).output().ok();
    case.exec(&["sh", "-c", MKDIR]).output().fails(1, &[REFUSED]);
    assert_eq!(agent.states().len(), 2);
    case.delete_force();
}
