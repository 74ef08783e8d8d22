//! `NOTIFY_SOCKET`: a service manager is told when the program in the container is ready.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::io::{ErrorKind, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};

use coble_tests::{Bundle, Case, wait};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::Value;

/// A service manager.
struct Manager {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Manager {
    fn new(case: &Case) -> Self {
        let path = case.dir.join("manager");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { path, socket }
    }

    /// The next message, with its descriptor if it has one.
    #[track_caller]
    fn hears(&self) -> (String, Option<OwnedFd>) {
        wait::poll(wait::DEADLINE, || self.receive()).expect("a message for the service manager")
    }

    fn receive(&self) -> Option<(String, Option<OwnedFd>)> {
        let mut data = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut data)];
        let got = recvmsg(&self.socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC).ok()?;
        let fd = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        Some((String::from_utf8(data[..got.bytes].to_vec()).unwrap(), fd))
    }

    /// Takes what comes when `main` is ready, and answers the barrier.
    #[track_caller]
    fn is_told_of(&self, main: u64) {
        assert_eq!(self.hears().0, "READY=1\n");
        assert_eq!(self.hears().0, format!("MAINPID={main}\n"));
        let (barrier, fd) = self.hears();
        assert_eq!(barrier, "BARRIER=1");
        drop(fd.expect("the barrier's descriptor"));
        self.has_heard_nothing();
    }

    #[track_caller]
    fn has_heard_nothing(&self) {
        let error = self.socket.recv(&mut [0; 64]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}

/// A bundle whose program says much, waits for `/tmp/go`, and then does what `then` says.
fn waiting(case: &Case, then: &str) -> Bundle {
    let mut bundle = case.bundle();
    fs::copy(env!("CARGO_BIN_EXE_notifier"), bundle.inside("/bin/notifier")).unwrap();
    let hostile = "notifier MAINPID=1 STATUS=x STOPPING=1 READY=0 READY=11 BARRIER=1 FDSTORE=1";
    bundle.sh(&format!("{hostile}; while ! test -e /tmp/go; do sleep 0.05; done; {then}")).write();
    bundle
}

fn go(bundle: &Bundle) {
    fs::write(bundle.inside("/tmp/go"), "").unwrap();
}

const READY: &str = "notifier STATUS=up 'READY=1\nMAINPID=1'";

#[test]
fn a_detached_run_waits_until_the_program_is_ready() {
    let Some(case) = Case::root() else { return };
    let manager = Manager::new(&case);
    let bundle = waiting(&case, &format!("{}; sleep 1000", READY.replace("\\n", "\n")));
    let mut run = case.run_with(&bundle, &["--detach"]).env("NOTIFY_SOCKET", &manager.path).spawn();
    let state = case.state_root().join(&case.id);
    wait::until("the program runs", || {
        !state.join("making").exists() && state.join("cgroup").is_symlink()
    });
    manager.has_heard_nothing();
    assert!(run.runs());
    go(&bundle);
    manager.is_told_of(case.pid());
    run.wait().ok();
    assert_eq!(case.status(), "running");
}

#[test]
fn start_does_the_same_for_a_container_that_waits() {
    let Some(case) = Case::root() else { return };
    let manager = Manager::new(&case);
    let bundle = waiting(&case, "notifier READY=1; sleep 1000");
    case.create(&bundle).env("NOTIFY_SOCKET", &manager.path).output().ok();
    let mut start = case.verb(&["start"]).env("NOTIFY_SOCKET", &manager.path).spawn();
    wait::until("the program runs", || case.status() == "running");
    manager.has_heard_nothing();
    assert!(start.runs());
    go(&bundle);
    manager.is_told_of(case.pid());
    start.wait().ok();
}

/// What stays is the service's main process.
#[test]
fn a_run_in_the_foreground_is_the_main_process_itself() {
    let Some(case) = Case::root() else { return };
    let manager = Manager::new(&case);
    let bundle = waiting(&case, "notifier READY=1 READY=1; echo said; exit 9");
    let run = case.run(&bundle).env("NOTIFY_SOCKET", &manager.path).spawn();
    go(&bundle);
    manager.is_told_of(run.pid().into());
    assert_eq!(run.wait().exits(9).stdout, "said\n");
    case.assert_clean();
}

#[test]
fn a_program_that_ends_unready_keeps_nobody_waiting() {
    let Some(case) = Case::root() else { return };
    let manager = Manager::new(&case);
    let bundle = waiting(&case, "exit 3");
    go(&bundle);
    case.create(&bundle).env("NOTIFY_SOCKET", &manager.path).output().ok();
    case.verb(&["start"]).env("NOTIFY_SOCKET", &manager.path).output().ok();
    case.until_stopped();
    case.delete();
    case.run_with(&bundle, &["--detach"]).env("NOTIFY_SOCKET", &manager.path).output().ok();
    case.until_stopped();
    case.delete();
    let run = case.run(&bundle).env("NOTIFY_SOCKET", &manager.path);
    run.output().exits(3);
    manager.has_heard_nothing();
    case.assert_clean();
}

#[test]
fn the_socket_in_the_container_is_its_own_and_can_not_be_replaced() {
    let Some(case) = Case::root() else { return };
    let manager = Manager::new(&case);
    let mut bundle = case.bundle();
    bundle.sh(
        "echo $NOTIFY_SOCKET; test -S $NOTIFY_SOCKET && echo socket; ls /run/notify; \
         rm $NOTIFY_SOCKET || touch /run/notify/x || grep -c ' /run/notify ro,nosuid,nodev,noexec' /proc/self/mountinfo",
    );
    let run = case.run(&bundle).env("NOTIFY_SOCKET", &manager.path);
    let said = run.output().ok().stdout;
    assert_eq!(said, "/run/notify/notify.sock\nsocket\nnotify.sock\n1\n");
    manager.has_heard_nothing();
}

#[test]
fn any_user_of_a_container_can_be_ready() {
    let Some(case) = Case::root() else { return };
    let manager = Manager::new(&case);
    for has_user_namespace in [false, true] {
        let mut bundle = case.bundle_at(if has_user_namespace { "mapped" } else { "plain" });
        fs::copy(env!("CARGO_BIN_EXE_notifier"), bundle.inside("/bin/notifier")).unwrap();
        bundle.config["process"]["user"] = serde_json::json!({"uid": 1000, "gid": 1000});
        if has_user_namespace {
            bundle.user_namespace(100_000, 65536);
            case.give_rootfs(&bundle, 100_000);
        }
        bundle.args(&["notifier", "READY=1"]);
        let run = case.run(&bundle).env("NOTIFY_SOCKET", &manager.path).spawn();
        let pid = run.pid();
        run.wait().ok();
        manager.is_told_of(pid.into());
    }
}

#[test]
fn the_service_manager_may_have_an_abstract_name() {
    let Some(case) = Case::root() else { return };
    let name = SocketAddr::from_abstract_name(&case.id).unwrap();
    let manager = Manager { path: PathBuf::new(), socket: UnixDatagram::bind_addr(&name).unwrap() };
    manager.socket.set_nonblocking(true).unwrap();
    let bundle = waiting(&case, "notifier READY=1");
    go(&bundle);
    let run = case.run(&bundle).env("NOTIFY_SOCKET", format!("@{}", case.id)).spawn();
    manager.is_told_of(run.pid().into());
    run.wait().ok();
}

#[test]
fn without_a_service_manager_nothing_runs() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("touch /tmp/ran");
    let words = ["connect to the service manager at /nowhere: no such file or directory"];
    case.refuses(case.run(&bundle).env("NOTIFY_SOCKET", "/nowhere"), &words);
    case.create(&bundle).env("NOTIFY_SOCKET", "/nowhere").output().ok();
    case.verb(&["start"]).env("NOTIFY_SOCKET", "/nowhere").output().refused(&words);
    assert_eq!(case.status(), "created");
    assert!(!bundle.inside("/tmp/ran").exists());
    case.delete();
    case.assert_clean();
}

/// One that doesn't know barriers never answers; the wait has an end.
#[test]
fn a_barrier_that_is_not_answered_is_a_warning() {
    let Some(case) = Case::root() else { return };
    let manager = Manager::new(&case);
    let bundle = waiting(&case, "notifier READY=1; sleep 1000");
    go(&bundle);
    let run = case.run_with(&bundle, &["--detach"]).env("NOTIFY_SOCKET", &manager.path);
    let run = run.spawn();
    let _kept = [manager.hears(), manager.hears(), manager.hears()];
    let said = run.wait().ok().stderr;
    assert!(said.contains("warning: no answer from the service manager within 30 s"), "{said}");
    assert_eq!(case.status(), "running");
}

#[test]
fn a_container_without_mounts_of_its_own_can_not_have_the_socket() {
    let Some(case) = Case::root() else { return };
    let manager = Manager::new(&case);
    let mut bundle = case.bundle();
    bundle.without_namespace("mount");
    bundle.config["mounts"] = Value::Array(Vec::new());
    bundle.config["root"]["readonly"] = false.into();
    let linux = bundle.config["linux"].as_object_mut().unwrap();
    linux.remove("maskedPaths");
    linux.remove("readonlyPaths");
    let run = case.run(&bundle).env("NOTIFY_SOCKET", &manager.path);
    case.refuses(run, &["without a mount namespace"]);
    assert!(Path::new("/run").exists() && !Path::new("/run/notify").exists());
}
