//! Attacks on the runtime's own binary (the class of CVE-2019-5736), and on descriptors that it holds while it
//! enters a container (the class of CVE-2016-9962 and CVE-2024-21626).
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use coble_tests::{Bundle, Case, wait};

/// Every capability that a container can be given, so that nothing but the runtime's own care stands in the way.
fn all_rights(bundle: &mut Bundle) {
    let all = [
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "NET_ADMIN",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_ADMIN",
        "MKNOD",
    ];
    for set in ["bounding", "permitted", "effective"] {
        let list = bundle.list(&format!("/process/capabilities/{set}"));
        *list = all.iter().map(|name| format!("CAP_{name}").into()).collect();
    }
    bundle.config["process"]["noNewPrivileges"] = false.into();
    bundle.writable();
}

/// Gives a file to the user who has the root file system: for a plain user's container that is its root.
fn give(file: &Path, bundle: &Bundle) {
    let owner = fs::metadata(bundle.rootfs()).unwrap();
    chown(file, Some(owner.uid()), Some(owner.gid())).unwrap();
}

#[test]
fn the_runtime_cannot_be_the_containers_program() {
    let Some(case) = Case::root() else { return };
    run_the_runtime(case);
}

#[test]
fn nor_that_of_a_plain_user_whose_own_the_runtime_is() {
    let Some(case) = Case::plain() else { return };
    run_the_runtime(case);
}

fn run_the_runtime(mut case: Case) {
    let binary = case.use_copy();
    let before = fs::read(&binary).unwrap();
    let mut bundle = case.bundle();
    give(&binary, &bundle);
    all_rights(&mut bundle);
    for name in ["/bin/trick", "/bin/link"] {
        let _ = fs::remove_file(bundle.inside(name));
    }
    fs::write(bundle.inside("/bin/trick"), "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(bundle.inside("/bin/trick"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("/proc/self/exe", bundle.inside("/bin/link")).unwrap();
    for program in ["/proc/self/exe", "/bin/trick", "/bin/link", "/proc/thread-self/exe"] {
        bundle.args(&[program, "--version"]);
        let output = case.run(&bundle).output();
        assert!(!output.stdout.contains("version"), "the runtime ran inside: {output}");
        case.assert_clean();
    }
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    for program in ["/proc/self/exe", "/bin/trick", "/bin/link", "/proc/thread-self/exe"] {
        let output = case.exec(&[program, "--version"]).output();
        assert!(!output.stdout.contains("version"), "the runtime ran inside: {output}");
    }
    assert!(fs::read(&binary).unwrap() == before, "the binary has changed");
}

#[test]
fn a_process_inside_gets_hold_of_nothing_while_others_enter() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.writable();
    attack(case, bundle, Traces::ItsOwn);
}

/// What is traced can be made to do anything: such a container may as much as who enters it (docs/security.md), and here it is
/// looked for nothing but descriptors and the runtime's file.
#[test]
fn one_that_may_trace_every_other_finds_nothing_in_them() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.writable();
    for set in ["bounding", "permitted", "effective"] {
        bundle.list(&format!("/process/capabilities/{set}")).push("CAP_SYS_PTRACE".into());
    }
    attack(case, bundle, Traces::WhoeverEnters);
}

/// The executor's memory is the host's user namespace's, whose rights count.
#[test]
fn in_a_user_namespace_that_right_is_for_the_containers_own_alone() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.user_namespace(100_000, 65536);
    case.give_rootfs(&bundle, 100_000);
    all_rights(&mut bundle);
    attack(case, bundle, Traces::ItsOwn);
}

#[test]
fn nor_does_a_plain_users_whose_own_the_runtime_is() {
    let Some(case) = Case::plain() else { return };
    let mut bundle = case.bundle();
    all_rights(&mut bundle);
    attack(case, bundle, Traces::ItsOwn);
}

/// Whom the attacker may trace.
#[derive(Clone, Copy, PartialEq)]
enum Traces {
    ItsOwn,
    WhoeverEnters,
}

/// Runs the attacker as the container's program while others enter.
#[track_caller]
fn attack(mut case: Case, mut bundle: Bundle, traces: Traces) {
    let binary = case.use_copy();
    let before = fs::read(&binary).unwrap();
    let sentinel = case.file("sentinel", "");
    fs::copy(env!("CARGO_BIN_EXE_attacker"), bundle.inside("/bin/attacker")).unwrap();
    fs::create_dir(bundle.inside("/opt")).unwrap();
    fs::copy(bundle.inside("/bin/busybox"), bundle.inside("/opt/sleep")).unwrap();
    give(&bundle.inside("/opt/sleep"), &bundle);
    give(&binary, &bundle);
    bundle.args(&["attacker", sentinel.to_str().unwrap()]);
    case.detach(&bundle);
    let log = || fs::read_to_string(bundle.inside("/tmp/log")).unwrap_or_default();
    wait::until("the attacker", || log().contains("ready\n"));

    // The attack does work on a program of the container's own.
    case.exec(&["/opt/sleep", "0.5"]).output().ok();
    wait::until("the attack on a file of the container", || log().contains("wrote /opt/sleep\n"));

    let traces_its_own = log().contains("traced sleep\n");
    assert!(traces == Traces::WhoeverEnters || traces_its_own, "nobody was traced: {}", log());

    for _ in 0..100 {
        case.exec(&["true"]).output().ok();
    }
    fs::write(bundle.inside("/tmp/stop"), "").unwrap();
    case.until_stopped();
    let log = log();
    let escaped = log.lines().find(|line| line.starts_with("escaped"));
    assert_eq!(escaped, None, "a descriptor led out of the container");
    let has_traced_more = log.contains("traced one that may more\n");
    assert_eq!(has_traced_more, traces == Traces::WhoeverEnters, "{log}");
    let wrote: Vec<&str> = log.lines().filter(|line| line.starts_with("wrote")).collect();
    assert_eq!(wrote, ["wrote /opt/sleep"], "{log}");
    assert!(!log.contains(binary.to_str().unwrap()), "the runtime was seen: {log}");
    assert!(fs::read(&binary).unwrap() == before, "the binary has changed");
}

#[test]
fn the_folder_cannot_be_a_descriptor() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["pwd"]);
    for nth in 3..=20 {
        bundle.config["process"]["cwd"] = format!("/proc/self/fd/{nth}").into();
        let output = case.run(&bundle).output();
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output}");
        case.assert_clean();
    }
    for cwd in ["/proc/self/fd/3/../..", "/proc/1/cwd", "/proc/1/root", "/proc/self/cwd/.."] {
        bundle.config["process"]["cwd"] = cwd.into();
        bundle.args(&["ls", "."]);
        let output = case.run(&bundle).output();
        assert!(!output.stdout.contains("boot\n"), "{cwd}: {output}");
    }
}

#[test]
fn exec_cannot_enter_a_descriptor_either() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    symlink("/proc/self/fd/7", bundle.inside("/seven")).unwrap();
    case.detach(&bundle);
    for nth in 3..=20 {
        let cwd = format!("/proc/self/fd/{nth}");
        let output = case.exec_with(&["--cwd", &cwd], &["pwd"]).output();
        assert_eq!((output.code, output.stdout.as_str()), (Some(255), ""), "{output}");
    }
    let output = case.exec_with(&["--cwd", "/seven"], &["pwd"]).output();
    assert_eq!((output.code, output.stdout.as_str()), (Some(255), ""), "{output}");
}

#[test]
fn a_folder_that_the_caller_leaks_is_no_way_out() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["ls"]);
    for cwd in ["/proc/self/fd/3", "/proc/self/fd/9", "/proc/self/fd/9/etc"] {
        bundle.config["process"]["cwd"] = cwd.into();
        bundle.write();
        let leaking = case.tool("bash").args(["-c", "exec 3</ 9</; exec \"$@\"", "bash"]);
        let run = leaking.arg(case.program()).arg("--root").arg(case.state_root());
        let output = run.args(["run", "-b"]).arg(&bundle.path).arg(&case.id).output();
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output}");
        case.assert_clean();
    }
}

#[test]
fn the_runtimes_environment_stays_outside() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("tr '\\0' '\\n' < /proc/1/environ; echo ready; read line");
    let run = case.run(&bundle).env("SECRET_OF_THE_HOST", "x").output().stdout;
    assert!(!run.contains("SECRET") && !run.contains("COBLE"), "{run}");
    assert!(run.contains("PATH="), "{run}");
    assert!(Path::new("/proc/1/environ").exists());
}
