//! A plain user, who has no right but to make a user namespace.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Case, Cmd, wait};
use rustix::process::{Signal, geteuid};

#[test]
fn run() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.sh("id -u; id -g; echo $$; hostname; cat; exit 7");
    let output = case.run(&bundle).stdin(b"input\n").output().exits(7);
    assert_eq!(output.stdout, "0\n0\n1\nrunc\ninput\n");
    case.assert_clean();
}

#[test]
fn from_create_to_delete() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.writable().sh("echo > /tmp/ran; sleep 1000");
    case.create(&bundle).output().ok();
    assert_eq!(case.status(), "created");
    case.verb(&["start"]).output().ok();
    wait::until("the process to run", || bundle.inside("/tmp/ran").exists());
    assert_eq!(case.status(), "running");
    assert_eq!(case.coble().args(["list", "-q"]).output().stdout(), format!("{}\n", case.id));

    let said = case.exec(&["sh", "-c", "id -u; readlink /proc/self/ns/user"]).output().stdout();
    let user = fs::read_link(format!("/proc/{}/ns/user", case.pid())).unwrap();
    assert_eq!(said, format!("0\n{}\n", user.display()));
    case.exec(&["nothing-here"]).output().fails(255, &["executable file not found in $PATH"]);

    case.coble().args(["kill", &case.id, "KILL"]).output().ok();
    case.until_stopped();
    case.delete();
    case.assert_clean();
}

#[test]
fn forced_delete() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000 & sleep 1000");
    case.detach(&bundle);
    case.delete_force();
    case.assert_clean();
}

#[test]
fn the_default_state_root_is_in_the_runtime_folder() {
    let Some(case) = Case::plain() else { return };
    let runtime = case.folder("run");
    let bundle = case.bundle();
    bundle.write();
    let create = case.bare().env("XDG_RUNTIME_DIR", &runtime).args(["create", "-b"]);
    create.arg(&bundle.path).arg(&case.id).output().ok();
    let root = runtime.join(coble_tests::name());
    assert!(root.join(&case.id).is_dir());
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(&root).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else may look into it: {mode:o}");
    let delete = case.bare().env("XDG_RUNTIME_DIR", &runtime).args(["delete", &case.id]);
    delete.output().ok();
    assert!(!root.join(&case.id).exists());
}

/// An engine calls the runtime in a user namespace of the user's. su(1) leaves the user's variables to the machine's root.
#[test]
fn root_of_a_user_namespace_has_the_users_state_root() {
    let Some(case) = Case::plain() else { return };
    let runtime = case.folder("run");
    let bundle = case.bundle();
    bundle.write();
    let session = |command: Cmd| command.env("XDG_RUNTIME_DIR", &runtime);
    let create = session(case.bare()).args(["create", "-b"]).arg(&bundle.path);
    create.arg(&case.id).output().ok();
    let inside = || session(case.tool("unshare").args(["--user", "--map-root-user"]));
    let state = |command: Cmd| command.args(["state", &case.id]).output();
    state(inside().arg(case.program())).ok();
    state(inside().env("USER", "user").arg(case.program())).ok();
    // Whether there is a /run/coble it may not look into is the machine's affair.
    state(inside().env("USER", "root").arg(case.program())).refused(&[]);
    if geteuid().is_root() {
        let root = Cmd::new(case.program(), &case.id, &case.dir.join("output"));
        state(session(root).env("USER", "user")).refused(&["container does not exist"]);
    }
    session(case.bare()).args(["delete", "--force", &case.id]).output().ok();
}

#[test]
fn files_made_inside_are_the_users_own() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.writable().sh("touch /tmp/mine; ls -ln /tmp/mine | cut -d ' ' -f 5-9 | tr -s ' '");
    case.run(&bundle).output().ok();
    use std::os::unix::fs::MetadataExt;
    let owner = fs::metadata(&bundle.path).unwrap().uid();
    assert_eq!(fs::metadata(bundle.inside("/tmp/mine")).unwrap().uid(), owner);
}

#[test]
fn the_default_devices_work() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.sh("stat -c '%t %T' /dev/null /dev/zero /dev/tty; head -c 1 /dev/zero | od -An -tx1");
    assert_eq!(case.run(&bundle).output().stdout(), "1 3\n1 5\n5 0\n 00\n");
}

#[test]
fn masked_and_read_only_paths_hold() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.sh("head -c 1 /proc/kcore; ls -A /sys/firmware; touch /x || echo refused; \
         echo x > /proc/sys/kernel/domainname || echo refused; touch /sys/x || echo refused");
    assert_eq!(case.run(&bundle).output().stdout, "refused\nrefused\nrefused\n");
}

#[test]
fn the_groups_of_the_user_cannot_be_dropped_but_do_no_harm() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["cat", "/proc/self/setgroups"]);
    assert_eq!(case.run(&bundle).output().stdout(), "deny\n");
    bundle.config["process"]["user"]["additionalGids"] = serde_json::json!([5]);
    case.refuses(case.run(&bundle), &["groups"]);
}

#[test]
fn ids_that_are_not_mapped_are_refused() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["user"] = serde_json::json!({"uid": 1000, "gid": 0});
    case.refuses(case.run(&bundle), &["1000"]);
}

#[test]
fn a_limit_that_cannot_be_set_is_refused() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.config["linux"]["resources"] = serde_json::json!({"pids": {"limit": 5}});
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    if own.contains("user.slice") {
        return coble_tests::skip("systemd may have given the user a cgroup here");
    }
    case.refuses(case.run(&bundle), &["cgroup"]);
}

#[test]
fn signals_reach_the_process() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.sh("trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done");
    let mut run = case.run(&bundle).spawn();
    run.says("ready\n");
    run.signal(Signal::TERM);
    run.wait().exits(9);
    case.assert_clean();
}

#[test]
fn exec_on_a_terminal() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let socket = coble_tests::ConsoleSocket::new(&case.dir.join("console"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(&socket.path, mode).unwrap();
    let flags = ["--tty", "--detach", "--console-socket", socket.path.to_str().unwrap()];
    case.exec_with(&flags, &["sh", "-c", "tty; read line; echo got $line"]).output().ok();
    let mut terminal = socket.receive();
    terminal.shows("/dev/pts/");
    terminal.types("words\n");
    terminal.shows("got words");
}
