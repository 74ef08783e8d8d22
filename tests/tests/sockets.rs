//! Sockets that get a pidfd of the process.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use coble_tests::{Bundle, Case, FdSocket};
use rustix::process::{Signal, pidfd_send_signal};
use serde_json::json;

fn sleeping(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.args(&["sleep", "1000"]).write();
    bundle
}

/// The process that a pidfd is of, proc_pid_fdinfo(5).
fn pid_of(pidfd: &OwnedFd) -> u64 {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).unwrap();
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).expect("a pidfd");
    pid.trim().parse().unwrap()
}

#[test]
fn create_sends_a_pidfd_of_the_first_process() {
    let Some(case) = Case::root() else { return };
    let bundle = sleeping(&case);
    let socket = FdSocket::new(&case.dir.join("pidfd"));
    let create = case.coble().args(["create", "--pidfd-socket"]).arg(&socket.path);
    create.arg("--bundle").arg(&bundle.path).arg(&case.id).output().ok();
    let (message, pidfd) = socket.receive();
    assert_eq!(message, b"standard");
    assert_eq!(pid_of(&pidfd), case.pid());
    case.verb(&["start"]).output().ok();
    assert_eq!(pid_of(&pidfd), case.pid(), "the program has become of that process");
    pidfd_send_signal(&pidfd, Signal::KILL).unwrap();
    case.until_stopped();
}

#[test]
fn run_sends_it_before_the_program_runs() {
    let Some(case) = Case::root() else { return };
    let bundle = sleeping(&case);
    let socket = FdSocket::new(&case.dir.join("pidfd"));
    let flags = ["--pidfd-socket", socket.path.to_str().unwrap()];
    let run = case.run_with(&bundle, &flags).spawn();
    let (message, pidfd) = socket.receive();
    assert_eq!(message, b"standard");
    pidfd_send_signal(&pidfd, Signal::KILL).unwrap();
    // Before the program or after it: what ends is the container's process.
    assert!(run.wait().code.is_some_and(|code| code != 0));
    case.assert_clean();
}

/// Where the executor goes on in a child, it is the child's.
#[test]
fn the_pidfd_is_of_the_process_that_stays() {
    let Some(case) = Case::root() else { return };
    let own = format!("/proc/{}/ns/pid", std::process::id());
    let mut bundle = case.bundle();
    bundle.join("pid", own.as_ref()).args(&["sleep", "1000"]).write();
    let socket = FdSocket::new(&case.dir.join("pidfd"));
    let flags = ["--detach", "--pidfd-socket", socket.path.to_str().unwrap()];
    case.run_with(&bundle, &flags).output().ok();
    assert_eq!(pid_of(&socket.receive().1), case.pid());
    case.delete_force();
}

#[test]
fn exec_sends_a_pidfd_of_its_process() {
    let Some(case) = Case::root() else { return };
    let bundle = sleeping(&case);
    case.detach(&bundle);
    let socket = FdSocket::new(&case.dir.join("pidfd"));
    let pid_file = case.dir.join("pid");
    let flags = [
        "--detach",
        "--pidfd-socket",
        socket.path.to_str().unwrap(),
        "--pid-file",
        pid_file.to_str().unwrap(),
    ];
    case.exec_with(&flags, &["sleep", "2000"]).output().ok();
    let (message, pidfd) = socket.receive();
    assert_eq!(message, b"setns");
    assert_eq!(pid_of(&pidfd).to_string(), fs::read_to_string(&pid_file).unwrap());
    pidfd_send_signal(&pidfd, Signal::KILL).unwrap();
    assert_eq!(case.status(), "running");
}

#[test]
fn the_annotation_of_crun_sends_one_as_well() {
    let Some(case) = Case::root() else { return };
    let mut bundle = sleeping(&case);
    let socket = FdSocket::new(&case.dir.join("pidfd"));
    bundle.config["annotations"] = json!({"run.oci.pidfd_receiver": socket.path});
    case.detach(&bundle);
    let (message, pidfd) = socket.receive();
    assert_eq!(message, b" ");
    assert_eq!(pid_of(&pidfd), case.pid());
}

#[test]
fn without_a_receiver_there_is_no_process() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("touch /ran");
    let flags = ["--pidfd-socket", "/nowhere/socket"];
    let words = ["connect to the pidfd socket /nowhere/socket: no such file or directory"];
    case.refuses(case.run_with(&bundle, &flags), &words);
    bundle.config["annotations"] = json!({"run.oci.pidfd_receiver": "/nowhere/socket"});
    case.refuses(case.create(&bundle), &words);
    assert!(!bundle.inside("ran").exists());
    bundle.config.as_object_mut().unwrap().remove("annotations");
    bundle.args(&["sleep", "1000"]);
    case.detach(&bundle);
    case.exec_with(&flags, &["touch", "/ran"]).output().fails(255, &words);
    assert!(!bundle.inside("ran").exists());
}
