//! Attacks by what an image or a caller says: names, sizes, numbers.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs::{self, File};
use std::io::Write;

use coble_tests::{Bundle, Case};
use serde_json::{Value, json};

#[test]
fn a_numeric_name_in_passwd_changes_no_id() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let passwd = "1000:x:0:0:root:/stolen:/bin/sh\nroot:x:0:0:root:/root:/bin/sh\n";
    fs::write(bundle.inside("/etc/passwd"), passwd).unwrap();
    fs::write(bundle.inside("/etc/group"), "1000:x:0:\nroot:x:0:1000\n").unwrap();
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    let look = "id -u; id -g; grep Groups /proc/self/status; echo $HOME";
    bundle.sh(look);
    let said = case.run(&bundle).output().stdout();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["1000", "1000", "Groups:", "/"]);
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let said = case.exec_with(&["--user", "1000:1000"], &["sh", "-c", look]).output().stdout();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["1000", "1000", "Groups:", "/"]);
}

/// `run` where the runtime, and all that it starts, may have 64 MiB of addresses.
fn run_small(case: &Case, bundle: &Bundle) -> coble_tests::Output {
    bundle.write();
    let small = case.tool("sh").args(["-c", "ulimit -v 65536; exec \"$@\"", "sh"]);
    let run = small.arg(case.program()).arg("--root").arg(case.state_root()).args(["run", "-b"]);
    run.arg(&bundle.path).arg(&case.id).output()
}

#[test]
fn a_huge_passwd_takes_no_memory() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("echo $HOME");
    for (text, home) in [("x", "/\n"), (":", "/\n"), ("root:x:0:", "/\n"), ("\n", "/\n")] {
        let mut passwd = File::create(bundle.inside("/etc/passwd")).unwrap();
        passwd.write_all(text.repeat((100 << 20) / text.len()).as_bytes()).unwrap();
        assert_eq!(run_small(&case, &bundle).stdout(), home, "a passwd of {text:?} alone");
    }
    // A sparse file of zeros, larger than any memory.
    let passwd = File::create(bundle.inside("/etc/passwd")).unwrap();
    passwd.set_len(100 << 20).unwrap();
    assert_eq!(run_small(&case, &bundle).stdout(), "/\n");
}

#[test]
fn a_passwd_that_is_no_file_hangs_nobody() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("echo $HOME");
    fs::remove_file(bundle.inside("/etc/passwd")).unwrap();
    case.tool("mkfifo").arg(bundle.inside("/etc/passwd")).output().ok();
    assert_eq!(case.run(&bundle).output().stdout(), "/\n");
    fs::remove_file(bundle.inside("/etc/passwd")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", bundle.inside("/etc/passwd")).unwrap();
    assert_eq!(run_small(&case, &bundle).stdout(), "/\n");
}

#[test]
fn a_passwd_outside_the_root_is_not_read() {
    let Some(case) = Case::root() else { return };
    let outside = case.file("passwd", "root:x:0:0:root:/stolen:/bin/sh\n");
    let mut bundle = case.bundle();
    bundle.sh("echo $HOME");
    fs::remove_file(bundle.inside("/etc/passwd")).unwrap();
    std::os::unix::fs::symlink(&outside, bundle.inside("/etc/passwd")).unwrap();
    assert_eq!(case.run(&bundle).output().stdout(), "/\n");
}

#[test]
fn strange_numbers_of_handed_on_sockets() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["ls", "/proc/self/fd"]).write();
    for number in ["1000000", "-1", "x", "", "99999999999999999999", "1024"] {
        let script = format!("export LISTEN_FDS={number} LISTEN_PID=$$; exec \"$@\"");
        let run = case.tool("sh").args(["-c", &script, "sh"]).arg(case.program()).arg("--root");
        let run = run.arg(case.state_root()).args(["run", "-b"]).arg(&bundle.path).arg(&case.id);
        let output = run.output();
        match output.code {
            Some(0) => assert_eq!(output.stdout, "0\n1\n2\n3\n", "{number}: {output}"),
            _ => drop(output.refused(&[])),
        }
        case.assert_clean();
    }
}

#[test]
fn strange_numbers_of_kept_descriptors() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    for number in ["-1", "x", "1000000", "99999999999999999999", "4294967295"] {
        let flag = format!("--preserve-fds={number}");
        let output = case.run_with(&bundle, &[&flag]).output();
        assert_eq!(output.code, Some(1), "{output}");
        case.assert_clean();
    }
}

/// Replaces the number `old` wherever it stands in `value`, and counts.
fn replace(value: &mut Value, old: u64, new: u64) -> usize {
    match value {
        Value::Number(number) if number.as_u64() == Some(old) => {
            *value = new.into();
            1
        }
        Value::Array(list) => list.iter_mut().map(|value| replace(value, old, new)).sum(),
        Value::Object(map) => map.values_mut().map(|value| replace(value, old, new)).sum(),
        _ => 0,
    }
}

#[test]
fn a_number_that_another_process_has_got_is_not_signalled() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let pid = case.pid();
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    // As if the kernel had given the dead process's number away.
    let mut stranger = case.tool("sleep").arg("1000").spawn();
    let file = case.state_root().join(&case.id).join("state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert!(replace(&mut state, pid, stranger.pid().into()) > 0, "no number in {state}");
    fs::write(&file, state.to_string()).unwrap();

    assert_eq!(case.status(), "stopped");
    case.coble().args(["kill", &case.id, "KILL"]).output().refused(&["container not running"]);
    case.exec(&["true"]).output().fails(255, &["stopped container"]);
    case.verb(&["start"]).output().refused(&["cannot start a container that has stopped"]);
    case.delete_force();
    assert!(stranger.runs(), "a process outside the container was killed");
    stranger.signal(rustix::process::Signal::KILL);
    let _ = stranger.wait();
}

#[test]
fn a_deep_or_long_configuration_is_refused_or_carried_out() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["true"]);
    let args = bundle.list("/process/args");
    args.extend((0..2000).map(|nth| json!(format!("argument {nth}"))));
    for nth in 0..2000 {
        bundle.config["annotations"][format!("key-{nth}")] = "value".into();
    }
    case.run(&bundle).output().ok();
    bundle.args(&["true", &"x".repeat(200_000)]);
    let output = case.run(&bundle).output();
    output.refused(&["argument list too long"]);
    case.assert_clean();
}

#[test]
fn the_environment_cannot_change_the_runtime() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["true"]);
    for (name, value) in [
        ("LD_PRELOAD", "/no/such/library.so"),
        ("GLIBC_TUNABLES", "glibc.malloc.check=3"),
        ("RUST_BACKTRACE", "full"),
        ("NOTIFY_SOCKET", "/no/such/socket"),
    ] {
        let output = case.run(&bundle).env(name, value).output();
        if name == "NOTIFY_SOCKET" && output.code != Some(0) {
            output.refused(&["/no/such/socket"]);
        } else {
            assert_eq!(output.ok().stderr, "", "{name}");
        }
    }
}
