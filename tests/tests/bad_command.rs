//! Bad command lines, ids, state roots and rights: one clear line, exit status 1, nothing left behind.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use coble_tests::{Bundle, Case, skip};

fn create(case: &Case, bundle: &Bundle, id: &str) -> coble_tests::Cmd {
    bundle.write();
    case.coble().arg("create").arg("--bundle").arg(&bundle.path).arg("--").arg(id)
}

#[test]
fn ids() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    case.refuses(create(&case, &bundle, ""), &["container id cannot be empty"]);
    for id in [".", "..", "a/b", "../up", "/abs", "a b", "a\nb", "naïve", "a:b", "$(id)"] {
        case.refuses(create(&case, &bundle, id), &["invalid container ID format"]);
    }
    for length in [1025, 5000] {
        let output = create(&case, &bundle, &"x".repeat(length)).output();
        assert_eq!((output.code, output.stderr.lines().count()), (Some(1), 1), "{output}");
        case.assert_clean();
    }
}

#[test]
fn ids_of_other_verbs() {
    let Some(case) = Case::root() else { return };
    let keep = case.file("keep", "");
    for verb in ["state", "start", "delete", "kill"] {
        for id in ["..", "../output", "a/../.."] {
            let output = case.coble().args([verb, id]).output();
            assert_eq!((output.code, output.stderr.lines().count()), (Some(1), 1), "{output}");
        }
    }
    case.coble().args(["delete", "--force", ".."]).output().fails(1, &["invalid container ID"]);
    assert!(keep.exists() && case.dir.join("output").exists(), "a delete went upwards");
}

#[test]
fn ids_with_every_legal_character() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    let id = format!("{}_A-z.0+9", case.id);
    create(&case, &bundle, &id).output().ok();
    case.coble().args(["delete", &id]).output().ok();
}

/// A program may end with 1 as well, so all is 255 but what is found while the words are told apart.
#[test]
fn exec_has_a_status_of_its_own() {
    let Some(case) = Case::root() else { return };
    for words in [
        ["exec"].as_slice(),
        &["exec", "--moon", "a", "true"],
        &["exec", "--user"],
        &["exec", "--tty=perhaps", "a", "true"],
        &["--cgroup-manager", "moon", "exec", "a", "true"],
    ] {
        case.coble().args(words).output().fails(1, &[]);
    }
    for words in [
        ["exec", "a"].as_slice(),
        &["exec", "a", "true"],
        &["exec", "--user", "root", "a", "true"],
        &["exec", "--preserve-fds", "x", "a", "true"],
        &["exec", "--cgroup", "../up", "a", "true"],
    ] {
        case.coble().args(words).output().fails(255, &["exec failed: "]);
    }
}

#[test]
fn wrong_numbers_of_arguments() {
    let Some(case) = Case::root() else { return };
    for words in [
        ["create"].as_slice(),
        &["create", "a", "b"],
        &["state"],
        &["state", "a", "b"],
        &["start"],
        &["delete"],
        &["kill"],
        &["kill", "a", "TERM", "c"],
        &["exec"],
        &["list", "a"],
    ] {
        let output = case.coble().args(words).output();
        assert_ne!(output.code, Some(0), "{output}");
        assert!(!output.stderr.is_empty(), "{output}");
        case.assert_clean();
    }
}

#[test]
fn unknown_flags_and_commands() {
    let Some(case) = Case::root() else { return };
    for words in [["create", "--no-such-flag", "x"].as_slice(), &["--no-such-flag", "list"]] {
        let output = case.coble().args(words).output();
        assert_ne!(output.code, Some(0), "{output}");
        assert!(format!("{}{}", output.stdout, output.stderr).contains("no-such-flag"), "{output}");
    }
    let output = case.coble().arg("moonwalk").output();
    assert_ne!(output.code, Some(0), "{output}");
    case.assert_clean();
}

#[test]
fn the_systemd_driver_needs_systemd() {
    if std::path::Path::new("/run/systemd/system").exists() {
        return skip("systemd is process 1");
    }
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["linux"]["cgroupsPath"] = format!("system.slice:coble:{}", case.id).into();
    bundle.write();
    let run = case.coble().args(["--systemd-cgroup", "run", "--bundle"]);
    let words = "systemd not running on this host, cannot use systemd cgroups manager";
    case.refuses(run.arg(&bundle.path).arg(&case.id), &[words]);
    // And the other way round.
    case.refuses(case.create(&bundle), &["/linux/cgroupsPath", "and needs --systemd-cgroup"]);
}

#[test]
fn log_formats() {
    let Some(case) = Case::root() else { return };
    case.refuses(case.coble().args(["--log-format", "xml", "list"]), &["invalid log-format: xml"]);
}

#[test]
fn errors_go_to_the_log_too() {
    let Some(case) = Case::root() else { return };
    let log = case.dir.join("log");
    let state = case.coble().args(["--log-format", "json", "--log"]).arg(&log);
    state.args(["state", "nobody"]).output().refused(&["container does not exist"]);
    let text = fs::read_to_string(&log).unwrap();
    let line: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(line["level"], "error");
    let message = line["msg"].as_str().unwrap();
    assert!(message.contains("container does not exist"), "{message}");
    assert!(line["time"].is_string());

    let state = case.coble().arg("--log").arg(&log);
    state.args(["state", "nobody"]).output().refused(&["container does not exist"]);
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().count(), 2, "the log is appended to: {text}");
    let last = text.lines().last().unwrap();
    assert!(last.contains(" level=error msg=\"container does not exist"), "{text}");
}

#[test]
fn a_log_that_cannot_be_written() {
    let Some(case) = Case::root() else { return };
    let log = case.dir.join("missing/log");
    case.refuses(case.coble().arg("--log").arg(&log).arg("list"), &["missing/log"]);
}

#[test]
fn a_state_root_that_is_a_file() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    bundle.write();
    let root = case.file("file", "");
    let create = case.bare().arg("--root").arg(&root).args(["create", "--bundle"]);
    case.refuses(create.arg(&bundle.path).arg(&case.id), &["file", "not a directory"]);
    let slash = case.bare().args(["--root", "/", "create", "--bundle"]);
    let output = slash.arg(&bundle.path).arg(&case.id).output();
    let _ = fs::remove_dir_all(Path::new("/").join(&case.id));
    output.refused(&["--root"]);
}

#[test]
fn a_state_root_that_cannot_be_written() {
    let Some(case) = Case::plain() else { return };
    let bundle = case.bundle();
    bundle.write();
    for root in ["/proc/1/root", "/proc/sys/kernel", "/sys"] {
        let create = case.bare().args(["--root", root, "create", "--bundle"]);
        case.refuses(create.arg(&bundle.path).arg(&case.id), &[root]);
    }
    fs::set_permissions(case.state_root(), PermissionsExt::from_mode(0o555)).unwrap();
    case.refuses(case.create(&bundle), &["state", "permission denied"]);
}

#[test]
fn a_plain_user_without_a_user_namespace() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.without_namespace("user");
    case.refuses(case.create(&bundle), &["user namespace"]);
}

#[test]
fn a_bundle_that_is_somebody_elses() {
    let Some(case) = Case::plain() else { return };
    if !rustix::process::geteuid().is_root() {
        return coble_tests::skip("needs root to make files that are somebody else's");
    }
    let bundle = case.bundle();
    bundle.write();
    let config = bundle.path.join("config.json");
    fs::set_permissions(&config, PermissionsExt::from_mode(0o600)).unwrap();
    let create = || case.coble().args(["create", "--bundle"]).arg(&bundle.path).arg(&case.id);
    case.refuses(create(), &["config.json", "permission denied"]);
    std::os::unix::fs::chown(&bundle.path, Some(0), Some(0)).unwrap();
    fs::set_permissions(&bundle.path, PermissionsExt::from_mode(0o700)).unwrap();
    case.refuses(create(), &["bundle", "permission denied"]);
}

/// Runs the runtime where the state root is a file system with `pages` pages of room.
fn on_small_disk(case: &Case, pages: usize, words: &[&str], bundle: &Path) -> coble_tests::Output {
    let script = format!(
        "mount -t tmpfs -o nr_blocks={pages},mode=700 tmpfs \"$1\" && shift && \"$@\"; \
         status=$?; left=$(find {0} -mindepth 1); [ -z \"$left\" ] || echo left: $left; exit $status",
        case.state_root().display()
    );
    let unshare = ["--mount", "--propagation", "private", "sh", "-c", &script, "sh"];
    case.tool("unshare")
        .args(unshare)
        .arg(case.state_root())
        .arg(case.program())
        .arg("--root")
        .arg(case.state_root())
        .args(words)
        .arg("--bundle")
        .arg(bundle)
        .arg(&case.id)
        .output()
}

#[test]
fn a_full_disk_under_the_state_root() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    // More annotations than the disk has room for: the state can't be written.
    bundle.config["annotations"]["filler"] = "x".repeat(200_000).into();
    bundle.write();
    for verb in ["create", "run"] {
        let output = on_small_disk(&case, 2, &[verb], &bundle.path);
        output.refused(&["no space left on device"]);
        case.assert_clean();
    }
    on_small_disk(&case, 1000, &["run"], &bundle.path).ok();
}

#[test]
fn a_pid_file_that_cannot_be_written() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000").write();
    let file = case.dir.join("missing/pid");
    for words in [["create"].as_slice(), &["run", "--detach"], &["run"]] {
        let command = case.coble().args(words).arg("--pid-file").arg(&file);
        let command = command.arg("--bundle").arg(&bundle.path).arg(&case.id);
        case.refuses(command, &["missing", "no such file or directory"]);
    }
}

/// containerd reads each line as an object with these members, and takes `msg` of the last one whose level is `error`.
#[test]
fn a_log_in_json_is_what_containerd_reads() {
    let Some(case) = Case::root() else { return };
    let log = case.dir.join("log.json");
    let bundle = case.bundle();
    case.create(&bundle).output().ok();
    let fails = |words: &[&str], id: &str| {
        let command = case.coble().arg("--log").arg(&log).args(["--log-format", "json", "--debug"]);
        let failed = command.args(words).arg(id).output();
        assert_eq!(failed.code, Some(1), "{failed}");
        failed
    };
    fails(&["state"], "no-such-container");
    let last = fails(&["create", "--bundle", bundle.path.to_str().unwrap()], &case.id);
    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    for line in &lines {
        let members: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(members, ["level", "msg", "time"], "{line}");
        let time = line["time"].as_str().unwrap();
        let shape: String =
            time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00Z", "RFC 3339");
    }
    let errors = lines.iter().filter(|line| line["level"] == "error");
    let messages: Vec<&str> = errors.map(|line| line["msg"].as_str().unwrap()).collect();
    assert_eq!(messages.len(), 2, "{text}");
    assert!(messages[0].contains("container does not exist"), "{text}");
    assert!(messages[1].contains("container with given ID already exists"), "{text}");
    assert_eq!(last.stderr, format!("coble: {}\n", messages[1]));
}

/// diff(1) has 1 for what differs, and so `seccomp diff` has 2 for what fails.
#[test]
fn the_log_tells_the_status_that_the_command_ends_with() {
    let Some(case) = Case::plain() else { return };
    let words = ["--debug", "seccomp", "diff", "/no/such/file", "default"];
    let failed = case.bare().args(words).output().exits(2);
    assert!(failed.stderr.contains("exit status 2 after"), "{failed}");
}
