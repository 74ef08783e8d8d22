//! `try`: a command over the host's own files.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::Path;

use coble_tests::{Case, Output, Terminal, exit_code, skip};

/// Runs `try -- sh -c SCRIPT`; `None`, reported as skipped, where the kernel lets nobody stack overlays.
fn try_sh(case: &Case, script: &str) -> Option<Output> {
    let output = case.coble().args(["try", "--", "sh", "-c", script]).output();
    let kernel = fs::read_to_string("/proc/filesystems").unwrap();
    if output.code != Some(0) && !kernel.contains("\toverlay\n") {
        skip("the kernel has no overlay file system");
        return None;
    }
    Some(output)
}

#[test]
fn as_root_nothing_that_is_changed_stays() {
    let Some(case) = Case::root() else { return };
    let file = format!("/etc/{}", case.id);
    let script = format!("id -u; echo text > {file}; cat {file}; rm /etc/passwd; echo $$; exit 0");
    let Some(output) = try_sh(&case, &script) else { return };
    assert_eq!(output.stdout(), "0\ntext\n1\n");
    assert!(!Path::new(&file).exists() && Path::new("/etc/passwd").exists());
    case.assert_clean();
}

#[test]
fn as_a_plain_user_too() {
    let Some(case) = Case::plain() else { return };
    let script = "id -u; echo text > /tmp/try-file; cat /tmp/try-file; echo $$";
    let Some(output) = try_sh(&case, script) else { return };
    assert_eq!(output.stdout(), "0\ntext\n1\n");
    assert!(!Path::new("/tmp/try-file").exists());
    case.assert_clean();
}

#[test]
fn it_has_namespaces_of_its_own() {
    for case in [Case::root(), Case::plain()] {
        let Some(case) = case else { continue };
        let script = "for n in pid mnt ipc uts net cgroup; do readlink /proc/self/ns/$n; done";
        let Some(output) = try_sh(&case, script) else { return };
        let inside = output.stdout();
        assert_eq!(inside.lines().count(), 6, "{inside}");
        for file in ["pid", "mnt", "ipc", "uts", "net", "cgroup"] {
            let host = fs::read_link(format!("/proc/self/ns/{file}")).unwrap();
            assert!(!inside.contains(host.to_str().unwrap()), "{file} is the host's");
        }
    }
}

#[test]
fn the_default_limits_of_a_container_hold() {
    let Some(case) = Case::root() else { return };
    let script = "head -c 1 /proc/kcore; echo x > /proc/sys/kernel/domainname || echo refused";
    let Some(output) = try_sh(&case, script) else { return };
    assert_eq!(output.stdout, "refused\n");
    let Some(output) = try_sh(&case, "grep CapEff /proc/self/status") else { return };
    let said = output.stdout();
    let mask = u64::from_str_radix(said.trim_end().rsplit('\t').next().unwrap(), 16).unwrap();
    assert_eq!(mask & (1 << 21 | 1 << 19), 0, "neither CAP_SYS_ADMIN nor CAP_SYS_PTRACE: {said}");
}

#[test]
fn exit_status_and_streams() {
    let Some(case) = Case::root() else { return };
    if try_sh(&case, "true").is_none() {
        return;
    }
    let cat = case.coble().args(["try", "--", "sh", "-c", "cat; exit 7"]).stdin(b"input\n");
    assert_eq!(cat.output().exits(7).stdout, "input\n");
    let missing = case.coble().args(["try", "--", "nothing-of-this-name"]).output();
    assert!(missing.stderr.contains("executable file not found in $PATH"), "{missing}");
    assert_ne!(missing.code, Some(0));
    case.assert_clean();
}

#[test]
fn keep_leaves_a_bundle_that_run_starts_again() {
    let Some(case) = Case::root() else { return };
    if try_sh(&case, "true").is_none() {
        return;
    }
    let folder = case.dir.join("kept");
    let keep = case.coble().args(["try", "--keep"]).arg(&folder);
    keep.args(["--", "sh", "-c", "echo kept > /etc/coble-kept; cat /etc/coble-kept"]).output().ok();
    assert!(folder.join("config.json").exists());
    assert!(!Path::new("/etc/coble-kept").exists());
    let again = case.coble().args(["run", "--bundle"]).arg(&folder).arg(&case.id).output();
    assert_eq!(again.stdout(), "kept\n");
}

#[test]
fn without_a_command_it_is_a_shell_on_a_terminal() {
    let Some(case) = Case::root() else { return };
    if try_sh(&case, "true").is_none() {
        return;
    }
    let setsid = case.tool("setsid").env("SHELL", "/bin/sh").env("TERM", "dumb");
    let shell = setsid.args(["--ctty", "--wait"]).arg(case.program()).arg("--root");
    let (mut terminal, child) = Terminal::run(shell.arg(case.state_root()).arg("try"));
    terminal.types("tty; stty size; exit 3\n");
    assert_eq!(exit_code(child, &terminal), Some(3), "{}", terminal.screen());
    let screen = terminal.screen();
    assert!(screen.contains("/dev/pts/") && screen.contains("24 80"), "{screen}");
    case.assert_clean();
}
