//! Containers that share namespaces with the host: they work, and nothing of the host changes.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::Path;

use coble_tests::{Bundle, Case, ConsoleSocket};
use serde_json::json;

const FILES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// A bundle without any namespace: the host's mounts, and so no others.
fn bare(case: &Case) -> Bundle {
    bare_at(case, "bundle")
}

/// The same in another folder of the case.
fn bare_at(case: &Case, name: &str) -> Bundle {
    let mut bundle = case.bundle_at(name);
    bundle.config["linux"]["namespaces"] = json!([]);
    for list in ["maskedPaths", "readonlyPaths"] {
        bundle.config["linux"][list] = json!([]);
    }
    bundle.config["mounts"] = json!([]);
    bundle.config.as_object_mut().unwrap().remove("hostname");
    bundle.writable();
    bundle
}

fn namespace(pid: &str, file: &str) -> String {
    fs::read_link(Path::new("/proc").join(pid).join("ns").join(file))
        .unwrap()
        .to_string_lossy()
        .into_owned()
}

#[test]
fn a_container_without_any_namespace_lives_and_dies() {
    let Some(case) = Case::root() else { return };
    let mut bundle = bare(&case);
    fs::write(bundle.inside("/mine"), "").unwrap();
    bundle.sh("ls / > /tmp/seen; sleep 1000 & exec sleep 1000");
    case.create(&bundle).output().ok();
    assert_eq!(case.status(), "created");
    case.verb(&["start"]).output().ok();
    let pid = case.pid().to_string();
    for file in FILES {
        assert_eq!(namespace(&pid, file), namespace("self", file), "{file}");
    }
    coble_tests::wait::until("the program to look", || {
        fs::read_to_string(bundle.inside("/tmp/seen")).is_ok_and(|seen| seen.contains("mine\n"))
    });
    // The root is the container's all the same, for an exec too.
    let said = case.exec(&["sh", "-c", "ls /; echo in >&2; pwd"]).output().ok();
    assert!(said.stdout.contains("mine\n") && said.stdout.ends_with("/\n"), "{said}");
    assert!(!said.stdout.contains("boot\n"), "{said}");
    assert_eq!(case.exec(&["sh", "-c", "exit 7"]).output().code, Some(7));
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    // The other process has no namespace that ends with the first one.
    case.delete();
    case.assert_clean();
}

#[test]
fn run_and_a_forced_delete_without_any_namespace() {
    let Some(case) = Case::root() else { return };
    let mut bundle = bare(&case);
    bundle.sh("cat; echo error >&2; exit 5");
    let output = case.run(&bundle).stdin(b"input").output().exits(5);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("input", "error\n"));
    bundle.sh("sleep 1000 & exec sleep 1000");
    case.detach(&bundle);
    case.delete_force();
    case.assert_clean();
}

#[test]
fn the_umask_without_a_mount_namespace() {
    let Some(case) = Case::root() else { return };
    let mut bundle = bare(&case);
    bundle.sh("umask");
    assert_eq!(case.run(&bundle).output().stdout(), "0022\n");
    bundle.config["process"]["user"]["umask"] = 0o027.into();
    assert_eq!(case.run(&bundle).output().stdout(), "0027\n");
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    assert_eq!(case.exec(&["sh", "-c", "umask"]).output().stdout(), "0027\n");
}

#[test]
fn the_hosts_mounts_stay_as_they_are() {
    let Some(case) = Case::root() else { return };
    let mut bundle = bare(&case);
    bundle.args(&["true"]).write();
    // In a namespace of its own, where nobody else mounts anything; all of it is shared, as systemd makes it.
    let script = "cat /proc/self/mountinfo; \"$@\"; echo done; cat /proc/self/mountinfo";
    let table = case.tool("unshare").args(["--mount", "--propagation", "shared"]);
    let run = table.args(["sh", "-ec", script, "sh"]).arg(case.program()).arg("--root");
    let run = run.arg(case.state_root()).args(["run", "-b"]).arg(&bundle.path).arg(&case.id);
    let said = run.output().stdout();
    let (before, after) = said.split_once("done\n").unwrap();
    assert!(before.contains(" shared:"), "{before}");
    assert_eq!(before, after);
}

#[test]
fn a_terminal_on_the_hosts_own_root_is_not_mounted_there() {
    let Some(case) = Case::root() else { return };
    let mut bundle = bare(&case);
    bundle.config["root"]["path"] = "/".into();
    bundle.config["process"]["terminal"] = true.into();
    bundle.config["process"]["consoleSize"] = json!({"height": 20, "width": 30});
    bundle.sh("stty size; read line").write();
    let socket = ConsoleSocket::new(&case.dir.join("console"));
    let script = "cat /proc/self/mountinfo; \"$@\"; echo done; cat /proc/self/mountinfo";
    let table = case.tool("unshare").args(["--mount", "--propagation", "shared"]);
    let run = table.args(["sh", "-ec", script, "sh"]).arg(case.program()).arg("--root");
    let run = run.arg(case.state_root()).args(["run", "--detach", "--console-socket"]);
    let run = run.arg(&socket.path).arg("-b").arg(&bundle.path).arg(&case.id);
    let said = run.output().stdout();
    let (before, after) = said.split_once("done\n").unwrap();
    assert_eq!(before, after);
    let mut terminal = socket.receive();
    terminal.shows("20 30\r\n");
    terminal.types("\n");
    case.until_stopped();
    case.delete();
}

#[test]
fn what_would_change_the_hosts_mounts_is_refused() {
    let Some(case) = Case::root() else { return };
    let refuses = |change: &dyn Fn(&mut Bundle), words: &[&str], name: &str| {
        let mut bundle = bare_at(&case, name);
        change(&mut bundle);
        case.refuses(case.run(&bundle), words);
    };
    let needs = "without a private MNT namespace";
    refuses(
        &|bundle| {
            bundle.mount("tmpfs", "tmpfs", "/tmp", &[]);
        },
        &["/mounts", needs],
        "mounts",
    );
    refuses(
        &|bundle| bundle.config["root"]["readonly"] = true.into(),
        &["/root/readonly", needs],
        "root",
    );
    for list in ["maskedPaths", "readonlyPaths"] {
        refuses(&|bundle| bundle.config["linux"][list] = json!(["/etc"]), &[list, needs], list);
    }
    refuses(
        &|bundle| bundle.config["linux"]["rootfsPropagation"] = "rprivate".into(),
        &["/linux/rootfsPropagation", needs],
        "propagation",
    );
    let device = json!([{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}]);
    refuses(
        &|bundle| bundle.config["linux"]["devices"] = device.clone(),
        &["/linux/devices", needs],
        "devices",
    );
}

#[test]
fn the_hosts_processes_are_seen_and_left_alone() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.without_namespace("pid").sh("echo $$; sleep 1000 & wait");
    case.detach(&bundle);
    let pid = case.pid();
    let said = case.exec(&["sh", "-c", "cat /proc/1/comm; ls -d /proc/[0-9]* | wc -l"]).output();
    let said = said.stdout();
    assert_eq!(
        said.lines().next().unwrap(),
        fs::read_to_string("/proc/1/comm").unwrap().trim_end()
    );
    let told = case.coble().args(["ps", "-f", "json", &case.id]).output().stdout();
    let pids: Vec<u64> = serde_json::from_str(&told).unwrap();
    assert!(pids.contains(&pid) && pids.len() >= 2, "{told}");
    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    case.delete();
    for pid in pids {
        let gone = || !Path::new(&format!("/proc/{pid}")).exists();
        coble_tests::wait::until("a process to be gone", gone);
    }
}
