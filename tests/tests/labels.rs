//! Labels of security modules, seen from inside: SELinux contexts of processes, keyrings and mounts, AppArmor profiles.
//!
//! They need a kernel on which the module is active; SELinux's also a policy that has the types `container_t` and
//! `container_file_t`, as those for containers do.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use coble_tests::{Bundle, Case, ConsoleSocket, skip, wait};
use rustix::fs::{XattrFlags, lgetxattr, setxattr};
use serde_json::json;

const PROCESS: &str = "system_u:system_r:container_t:s0:c4,c5";
const OTHER: &str = "system_u:system_r:container_t:s0:c6,c7";
const FILES: &str = "system_u:object_r:container_file_t:s0:c4,c5";

const CONTEXT: &str = "security.selinux";

/// A case where SELinux is active and its policy knows containers.
fn selinux() -> Option<Case> {
    if !Path::new("/sys/fs/selinux/enforce").exists() {
        skip("SELinux is not active");
        return None;
    }
    // The kernel takes a context that the policy knows, and no other.
    if [PROCESS, FILES].iter().any(|label| fs::write("/sys/fs/selinux/context", label).is_err()) {
        skip("SELinux has a policy without the types container_t and container_file_t");
        return None;
    }
    let case = Case::root()?;
    // The program writes to files in it.
    relabel(&case.dir);
    Some(case)
}

/// The context of a file itself.
fn context(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    let mut buffer = [0; 256];
    let length = lgetxattr(path, CONTEXT, &mut buffer)
        .unwrap_or_else(|errno| panic!("{}: {errno}", path.display()));
    String::from_utf8_lossy(&buffer[..length]).trim_end_matches('\0').to_owned()
}

/// A container's files get its context, as engines give it to an image.
fn relabel(path: &Path) {
    let link = fs::symlink_metadata(path).unwrap().is_symlink();
    let flags = XattrFlags::empty();
    if link {
        rustix::fs::lsetxattr(path, CONTEXT, FILES.as_bytes(), flags).unwrap();
        return;
    }
    setxattr(path, CONTEXT, FILES.as_bytes(), flags).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| relabel(&entry.unwrap().path()));
    }
}

/// A bundle whose process and mounts have labels.
fn labelled(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    relabel(&bundle.rootfs());
    bundle.config["process"]["selinuxLabel"] = PROCESS.into();
    bundle.config["linux"]["mountLabel"] = FILES.into();
    bundle
}

/// Where the host finds a path of a running container.
fn inside(case: &Case, path: &str) -> PathBuf {
    Path::new(&format!("/proc/{}/root", case.pid())).join(path.trim_start_matches('/'))
}

/// The line of `/proc/self/mountinfo` for the last mount on a path.
fn mount_line<'a>(table: &'a str, path: &str) -> &'a str {
    let line = table.lines().rfind(|line| line.split(' ').nth(4) == Some(path));
    line.unwrap_or_else(|| panic!("nothing is mounted on {path}:\n{table}"))
}

fn table(case: &Case) -> String {
    case.exec(&["cat", "/proc/self/mountinfo"]).output().stdout()
}

const CURRENT: [&str; 2] = ["cat", "/proc/self/attr/current"];

fn current(text: &str) -> &str {
    text.trim_end_matches(['\0', '\n'])
}

#[test]
fn selinux_the_program_runs_in_its_context() {
    let Some(case) = selinux() else { return };
    let mut bundle = labelled(&case);
    bundle.args(&CURRENT);
    assert_eq!(current(&case.run(&bundle).output().stdout()), PROCESS);
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    assert_eq!(current(&case.exec(&CURRENT).output().stdout()), PROCESS);
    let flags = ["--process-label", OTHER];
    assert_eq!(current(&case.exec_with(&flags, &CURRENT).output().stdout()), OTHER);
    let unknown = case.exec_with(&["--process-label", "a:b:c:s0"], &CURRENT).output();
    unknown.fails(255, &["/selinuxLabel", "invalid argument"]);
}

#[test]
fn selinux_an_unknown_context_is_refused() {
    let Some(case) = selinux() else { return };
    let mut bundle = labelled(&case);
    bundle.config["process"]["selinuxLabel"] = "a:b:c:s0".into();
    case.refuses(case.run(&bundle), &["/process/selinuxLabel", "invalid argument"]);
    bundle.config["process"]["selinuxLabel"] = PROCESS.into();
    bundle.config["linux"]["mountLabel"] = "a:b:c:s0".into();
    case.refuses(case.run(&bundle), &["/mounts/", "invalid argument"]);
}

#[test]
fn selinux_the_session_keyring_is_the_programs() {
    let Some(case) = selinux() else { return };
    for user in [false, true] {
        let mut bundle = labelled(&case);
        if user {
            bundle.user_namespace(100_000, 65536);
            case.give_rootfs(&bundle, 100_000);
        }
        // What a process may not look at isn't listed.
        bundle.list("/linux/maskedPaths").retain(|path| path != "/proc/keys");
        let look = ["grep", "-c", &format!("_ses.{}", case.id), "/proc/keys"];
        bundle.args(&look);
        assert_eq!(case.run(&bundle).output().stdout(), "1\n", "user namespace: {user}");
        bundle.sh("sleep 1000");
        case.detach(&bundle);
        assert_eq!(case.exec(&look).output().stdout(), "1\n", "user namespace: {user}");
        case.delete_force();
        fs::remove_dir_all(&bundle.path).unwrap();
    }
}

#[test]
fn selinux_new_file_systems_have_the_context_and_others_have_not() {
    let Some(case) = selinux() else { return };
    let mut bundle = labelled(&case);
    let data = case.folder("data");
    bundle.mount("bind", data.to_str().unwrap(), "/data", &["rbind"]);
    bundle.mount("tmpfs", "tmpfs", "/etc", &["tmpcopyup", "mode=755"]);
    bundle.list("/linux/maskedPaths").push(json!("/var"));
    bundle.sh("touch /etc/new; sleep 1000");
    case.detach(&bundle);
    let table = table(&case);
    let option = format!("context=\"{FILES}\"");
    for path in ["/dev", "/dev/pts", "/dev/shm", "/etc", "/var"] {
        assert!(mount_line(&table, path).contains(&option), "{path}: {table}");
    }
    for path in ["/", "/proc", "/sys", "/sys/fs/cgroup", "/dev/mqueue", "/data"] {
        assert!(!mount_line(&table, path).contains("context="), "{path}: {table}");
    }
    for path in ["/dev", "/dev/null", "/dev/ptmx", "/dev/mqueue", "/etc/passwd", "/etc/new", "/var"]
    {
        assert_eq!(context(inside(&case, path)), FILES, "{path}");
    }
    assert_eq!(context(inside(&case, "/data")), context(&data));
    let label = context(inside(&case, "/proc/version"));
    assert!(label.contains(":proc_t:"), "{label}");
}

#[test]
fn selinux_a_terminal_has_the_context() {
    let Some(case) = selinux() else { return };
    let mut bundle = labelled(&case);
    bundle.config["process"]["terminal"] = true.into();
    bundle.sh("sleep 1000");
    let socket = ConsoleSocket::new(&case.dir.join("console"));
    let path = socket.path.to_str().unwrap();
    case.run_with(&bundle, &["--detach", "--console-socket", path]).output().ok();
    let terminal = socket.receive();
    assert_eq!(context(inside(&case, "/dev/console")), FILES);
    assert_eq!(context(inside(&case, "/dev/pts/0")), FILES);
    drop(terminal);
}

#[test]
fn selinux_an_annotation_names_the_option() {
    let Some(case) = selinux() else { return };
    let mut bundle = labelled(&case);
    bundle.without_mount("/dev/pts").without_mount("/dev/shm");
    bundle.args(&["cat", "/proc/self/mountinfo"]);
    for kind in ["fscontext", "rootcontext"] {
        bundle.config["annotations"]["run.oci.mount_context_type"] = kind.into();
        let table = case.run(&bundle).output().stdout();
        let option = format!(",{kind}=\"{FILES}\"");
        assert!(mount_line(&table, "/dev").contains(&option), "{kind}: {table}");
    }
    // A tmpfs keeps labels of its own, for which there is no default; the kernel says no.
    bundle.config["annotations"]["run.oci.mount_context_type"] = "defcontext".into();
    case.refuses(case.run(&bundle), &["/mounts/", "invalid argument"]);
}

#[test]
fn selinux_mounts_that_are_added_have_the_context() {
    let Some(case) = selinux() else { return };
    let mut bundle = labelled(&case);
    bundle.sh("sleep 1000").writable();
    case.detach(&bundle);
    let mounts = json!([{"destination": "/scratch", "type": "tmpfs", "source": "tmpfs"}]);
    let text = mounts.to_string();
    let add = case.coble().args(["mounts", "add", &case.id, "-"]).stdin(text.as_bytes());
    add.output().ok();
    let option = format!("context=\"{FILES}\"");
    assert!(mount_line(&table(&case), "/scratch").contains(&option));
}

#[test]
fn selinux_the_notify_socket_is_the_containers() {
    let Some(case) = selinux() else { return };
    let manager = UnixDatagram::bind(case.dir.join("manager")).unwrap();
    let mut bundle = labelled(&case);
    fs::copy(env!("CARGO_BIN_EXE_notifier"), bundle.inside("/bin/notifier")).unwrap();
    relabel(&bundle.inside("/bin/notifier"));
    bundle.sh("while ! test -e /tmp/go; do sleep 0.05; done; notifier READY=1; sleep 1000");
    let run = case.run_with(&bundle, &["--detach"]).env("NOTIFY_SOCKET", case.dir.join("manager"));
    let run = run.spawn();
    wait::until("the socket", || inside_notify(&case).exists());
    wait::until("the label", || context(inside_notify(&case)) == FILES);
    assert_eq!(context(inside_notify(&case).parent().unwrap()), FILES);
    fs::write(bundle.inside("/tmp/go"), "").unwrap();
    let mut buffer = [0; 64];
    let length = manager.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"READY=1\n");
    drop(manager);
    drop(run);
}

fn inside_notify(case: &Case) -> PathBuf {
    case.state_root().join(&case.id).join("notify/notify.sock")
}

#[test]
fn selinux_the_files_of_try_keep_their_contexts() {
    let Some(case) = selinux() else { return };
    let bundle = case.folder("kept");
    let keep = bundle.to_str().unwrap();
    case.coble().args(["try", "--keep", keep, "--", "true"]).output().ok();
    for (layer, host) in [("usr", "/usr"), ("etc", "/etc")] {
        let upper = bundle.join("layers").join(layer).join("upper");
        assert_eq!(context(&upper), context(host), "{host}");
    }
}

#[test]
fn selinux_contexts_of_exec_are_refused_where_it_is_off() {
    if Path::new("/sys/fs/selinux/enforce").exists() {
        return skip("SELinux is active");
    }
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let output = case.exec_with(&["--process-label", PROCESS], &["true"]).output();
    output.fails(255, &["process: /selinuxLabel: SELinux is not active on this host"]);
}

/// A case where AppArmor is active, with a profile of its own that lets nobody write to `/tmp/closed`.
struct Profile {
    name: String,
    file: PathBuf,
    case: Case,
}

impl Profile {
    fn load() -> Option<Self> {
        let enabled = fs::read_to_string("/sys/module/apparmor/parameters/enabled");
        if !enabled.is_ok_and(|text| text.starts_with('Y')) {
            skip("AppArmor is not active");
            return None;
        }
        let case = Case::root()?;
        let name = format!("coble-{}", case.id);
        let rules = "file, capability, mount, signal, ptrace, unix, network, umount, pivot_root, \
                     deny /tmp/closed w,";
        let flags = "flags=(attach_disconnected,mediate_deleted)";
        let text = format!("profile {name} {flags} {{ {} }}\n", rules.replace(", ", ",\n"));
        let file = case.file("profile", &text);
        let file_name = file.to_str().unwrap().to_owned();
        case.tool("apparmor_parser").args(["-r", "-K", &file_name]).output().ok();
        Some(Self { name, file, case })
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        let file = self.file.to_str().unwrap().to_owned();
        let removed = self.case.tool("apparmor_parser").args(["-R", &file]).output();
        if !std::thread::panicking() {
            removed.ok();
        }
    }
}

const APPARMOR: [&str; 2] = ["cat", "/proc/self/attr/apparmor/current"];

#[test]
fn apparmor_the_program_is_confined() {
    let Some(profile) = Profile::load() else { return };
    let case = &profile.case;
    let mut bundle = case.bundle();
    bundle.writable().config["process"]["apparmorProfile"] = profile.name.as_str().into();
    bundle.args(&APPARMOR);
    let confined = format!("{} (enforce)\n", profile.name);
    assert_eq!(case.run(&bundle).output().stdout(), confined);
    bundle.sh("echo x > /tmp/open && cat /tmp/open; echo x > /tmp/closed");
    let output = case.run(&bundle).output();
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), "x\n"), "{output}");
    assert!(output.stderr.contains("/tmp/closed: Permission denied"), "{output}");
}

#[test]
fn apparmor_exec_has_the_containers_profile_or_its_own() {
    let Some(profile) = Profile::load() else { return };
    let case = &profile.case;
    let confined = format!("{} (enforce)\n", profile.name);
    let mut bundle = case.bundle();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    assert_eq!(case.exec(&APPARMOR).output().stdout(), "unconfined\n");
    let flags = ["--apparmor", profile.name.as_str()];
    assert_eq!(case.exec_with(&flags, &APPARMOR).output().stdout(), confined);
    case.delete_force();
    bundle.config["process"]["apparmorProfile"] = profile.name.as_str().into();
    case.detach(&bundle);
    assert_eq!(case.exec(&APPARMOR).output().stdout(), confined);
    case.delete_force();
}

#[test]
fn apparmor_an_unknown_profile_is_refused() {
    let Some(profile) = Profile::load() else { return };
    let case = &profile.case;
    let mut bundle = case.bundle();
    bundle.config["process"]["apparmorProfile"] = "coble-no-such-profile".into();
    let words = ["/process/apparmorProfile", "no such file or directory"];
    case.refuses(case.run(&bundle), &words);
    bundle.config["process"]["apparmorProfile"] = "".into();
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let output = case.exec_with(&["--apparmor", "coble-no-such-profile"], &["true"]).output();
    output.fails(255, &["/apparmorProfile", "no such file or directory"]);
    case.delete_force();
}
