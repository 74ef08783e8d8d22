//! Namespaces: new ones, shared ones, and ones that are joined by path.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use coble_tests::{Bundle, Case, Holder, wait};
use serde_json::json;

/// The kinds as `config.json` and as `/proc/PID/ns` call them.
const KINDS: [(&str, &str); 8] = [
    ("pid", "pid"),
    ("network", "net"),
    ("mount", "mnt"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("user", "user"),
    ("cgroup", "cgroup"),
    ("time", "time"),
];

fn host(file: &str) -> String {
    link(&Path::new("/proc/self/ns").join(file))
}

fn link(path: &Path) -> String {
    fs::read_link(path).unwrap().to_string_lossy().into_owned()
}

/// What the container sees at `/proc/self/ns/FILE`.
#[track_caller]
fn seen(case: &Case, bundle: &mut Bundle, file: &str) -> String {
    bundle.args(&["readlink", &format!("/proc/self/ns/{file}")]);
    case.run(bundle).output().stdout().trim_end().to_owned()
}

#[test]
fn each_kind_is_new_when_asked_for() {
    let Some(case) = Case::root() else { return };
    for (kind, file) in KINDS {
        let mut bundle = case.bundle_at(kind);
        if kind == "user" {
            own_by(&case, &mut bundle, 100_000);
        } else {
            bundle.namespace(kind);
        }
        assert_ne!(seen(&case, &mut bundle, file), host(file), "{kind}");
    }
}

/// Gives the bundle a user namespace whose root is the host's `uid`, and the root file system to it.
fn own_by(case: &Case, bundle: &mut Bundle, uid: u32) {
    bundle.user_namespace(uid, 65536);
    case.give_rootfs(bundle, uid);
}

#[test]
fn each_kind_is_the_hosts_when_not_asked_for() {
    let Some(case) = Case::root() else { return };
    for (kind, file) in [("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("cgroup", "cgroup")] {
        let mut bundle = case.bundle_at(kind);
        bundle.without_namespace(kind);
        if kind == "uts" {
            bundle.config.as_object_mut().unwrap().remove("hostname");
        }
        assert_eq!(seen(&case, &mut bundle, file), host(file), "{kind}");
    }
    let mut bundle = case.bundle_at("pid");
    bundle.without_namespace("pid");
    assert_eq!(seen(&case, &mut bundle, "pid"), host("pid"));
}

#[test]
fn root_in_a_user_namespace_is_somebody_else_outside() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    own_by(&case, &mut bundle, 100_000);
    bundle.sh("id -u; cat /proc/self/uid_map; touch /tmp/mine; sleep 1000").writable();
    let mut run = case.run(&bundle).spawn();
    run.says("65536\n");
    let words = run.stdout();
    let words: Vec<&str> = words.split_whitespace().collect();
    assert_eq!(words, ["0", "0", "100000", "65536"]);
    wait::until("the file", || bundle.inside("/tmp/mine").exists());
    use std::os::unix::fs::MetadataExt;
    assert_eq!(fs::metadata(bundle.inside("/tmp/mine")).unwrap().uid(), 100_000);
    let status = fs::read_to_string(format!("/proc/{}/status", case.pid())).unwrap();
    assert!(status.contains("\nUid:\t100000\t100000\t100000\t100000\n"), "{status}");
    case.delete_force();
    run.wait().exits(137);
}

/// A folder that only the host's root may enter, with a file in it; its path as `config.json` has it.
fn private_folder(bundle: &Bundle, name: &str) -> String {
    let private = bundle.path.join(name);
    fs::create_dir_all(private.join("shared")).unwrap();
    fs::write(private.join("shared/file"), name).unwrap();
    fs::set_permissions(&private, Permissions::from_mode(0o700)).unwrap();
    format!("{name}/shared")
}

#[test]
fn the_user_namespaces_root_gets_mounts_whose_path_it_may_not_follow() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    own_by(&case, &mut bundle, 100_000);
    for (name, flag) in [("one", "bind"), ("two", "rbind")] {
        let source = private_folder(&bundle, name);
        bundle.mount("bind", &source, &format!("/{name}"), &[flag, "ro"]);
    }
    bundle.sh(
        "cat /one/file /two/file; touch /two/new || ls -l /proc/self/fd; cat /proc/1/mountinfo",
    );
    let said = case.run(&bundle).output().ok();
    assert!(said.stdout.starts_with("onetwo"), "{said}");
    assert!(said.stderr.contains("Read-only file system"), "{said}");
    let options = |point: &str| {
        let line = said.stdout.lines().find(|line| line.contains(point)).unwrap();
        line.split(' ').nth(5).unwrap().to_owned()
    };
    assert!(options(" /one ").starts_with("ro,") && options(" /two ").starts_with("ro,"), "{said}");

    bundle.args(&["sleep", "1000"]);
    case.detach(&bundle);
    case.exec(&["cat", "/one/file"]).output().ok();
    let held = fs::read_dir(format!("/proc/{}/fd", case.pid())).unwrap().count();
    assert_eq!(held, 3, "only the standard streams are open");
}

#[test]
fn a_source_in_the_root_is_what_earlier_mounts_made_of_it() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    own_by(&case, &mut bundle, 100_000);
    fs::create_dir(bundle.inside("/first")).unwrap();
    let source = private_folder(&bundle, "private");
    bundle.mount("bind", &source, "/first", &["bind"]);
    bundle.mount("bind", bundle.inside("/first").to_str().unwrap(), "/second", &["bind"]);
    bundle.args(&["cat", "/second/file"]);
    assert_eq!(case.run(&bundle).output().stdout(), "private");
}

#[test]
fn the_loopback_interface_of_a_new_network_is_up() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("ip -o link show; ip -o addr show dev lo");
    let said = case.run(&bundle).output().stdout();
    assert!(said.starts_with("1: lo: <LOOPBACK,UP"), "{said}");
    assert!(said.contains("inet 127.0.0.1/8"), "{said}");
}

#[test]
fn time_offsets_move_the_clock() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.namespace("time").args(&["cat", "/proc/uptime"]);
    bundle.config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 100_000_000}});
    let said = case.run(&bundle).output().stdout();
    let uptime: f64 = said.split(' ').next().unwrap().parse().unwrap();
    assert!(uptime > 100_000_000.0, "{said}");
}

#[test]
fn offsets_of_both_clocks() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let look = ["cat", "/proc/self/timens_offsets"];
    bundle.namespace("time");
    bundle.config["linux"]["timeOffsets"] = json!({
        "monotonic": {"secs": 172_800, "nanosecs": 500_000_000},
        "boottime": {"secs": 604_800, "nanosecs": 7},
    });
    let words = |said: String| {
        said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let expected = ["monotonic 172800 500000000", "boottime 604800 7"];
    let said: Vec<String> = words(case.run(bundle.args(&look)).output().stdout());
    assert_eq!(said, expected);
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let said: Vec<String> = words(case.exec(&look).output().stdout());
    assert_eq!(said, expected, "exec is in the namespace, too");
}

#[test]
fn time_offsets_that_no_clock_has() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.namespace("time");
    for (offsets, words) in [
        (json!({"realtime": {"secs": 1}}), ["/linux/timeOffsets/realtime", "unknown clock"]),
        (
            json!({"monotonic": {"nanosecs": 1_000_000_000}}),
            ["/linux/timeOffsets/monotonic/nanosecs", "1000000000"],
        ),
        (json!({"boottime": {"secs": -1_000_000_000}}), ["/linux/timeOffsets", "timens_offsets"]),
    ] {
        bundle.config["linux"]["timeOffsets"] = offsets;
        case.refuses(case.run(&bundle), &words);
    }
}

#[test]
fn time_offsets_need_a_time_namespace() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["linux"]["timeOffsets"] = json!({"boottime": {"secs": 100}});
    case.refuses(case.run(&bundle), &["time namespace"]);
}

#[test]
fn namespaces_are_joined_by_path() {
    let Some(case) = Case::root() else { return };
    let flags = ["--net", "--ipc", "--uts", "--cgroup", "--time", "--pid", "--mount"];
    let holder = Holder::new(&case, &flags);
    for (kind, file) in KINDS {
        if matches!(kind, "user" | "mount") {
            continue;
        }
        let mut bundle = case.bundle_at(kind);
        bundle.join(kind, &holder.namespace(file));
        let expected = link(&holder.namespace(file));
        assert_ne!(expected, host(file), "{kind}: the holder has one of its own");
        assert_eq!(seen(&case, &mut bundle, file), expected, "{kind}");
    }
    holder.end();
}

#[test]
fn several_namespaces_are_joined_at_once() {
    let Some(case) = Case::root() else { return };
    let holder = Holder::new(&case, &["--net", "--ipc", "--uts", "--pid"]);
    let mut bundle = case.bundle();
    let kinds = [("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("pid", "pid")];
    for (kind, file) in kinds {
        bundle.join(kind, &holder.namespace(file));
    }
    bundle.sh("for n in net ipc uts pid; do readlink /proc/self/ns/$n; done; echo $$ > /tmp/pid");
    bundle.writable();
    let expected: String =
        kinds.iter().map(|(_, file)| link(&holder.namespace(file)) + "\n").collect();
    assert_eq!(case.run(&bundle).output().stdout(), expected);
    let pid = fs::read_to_string(bundle.inside("/tmp/pid")).unwrap();
    assert_ne!(pid, "1\n", "a joined pid namespace has its first process already");
    holder.end();
}

#[test]
fn a_mount_namespace_is_joined_by_path() {
    let Some(case) = Case::root() else { return };
    let holder = Holder::new(&case, &["--mount", "--propagation", "private"]);
    let mut bundle = case.bundle();
    bundle.join("mount", &holder.namespace("mnt"));
    assert_eq!(seen(&case, &mut bundle, "mnt"), link(&holder.namespace("mnt")));
    holder.end();
}

#[test]
fn a_user_namespace_is_joined_by_path() {
    let Some(case) = Case::root() else { return };
    let holder = Holder::new(&case, &["--user", "--map-root-user"]);
    let mut bundle = case.bundle();
    bundle.join("user", &holder.namespace("user"));
    // The namespace knows no group 5.
    for mount in bundle.list("/mounts") {
        if let Some(options) = mount["options"].as_array_mut() {
            options.retain(|option| option != "gid=5");
        }
    }
    assert_eq!(seen(&case, &mut bundle, "user"), link(&holder.namespace("user")));
    holder.end();
}

#[test]
fn a_namespace_bound_to_a_file_is_joined() {
    let Some(case) = Case::root() else { return };
    let file = case.file("netns", "");
    let path = file.to_str().unwrap();
    case.tool("unshare").args([&format!("--net={path}"), "true"]).output().ok();
    let mut bundle = case.bundle();
    bundle.join("network", &file);
    let inside = seen(&case, &mut bundle, "net");
    let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(&file).unwrap());
    case.tool("umount").arg(&file).output().ok();
    assert_eq!(inside, format!("net:[{inode}]"));
}

#[test]
fn a_container_joins_anothers_namespaces() {
    let Some(case) = Case::root() else { return };
    let mut first = case.bundle();
    first.sh("sleep 1000");
    case.detach(&first);
    let pid = case.pid();
    let mut second = case.bundle_at("second");
    for (kind, file) in [("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts")] {
        second.join(kind, Path::new(&format!("/proc/{pid}/ns/{file}")));
    }
    second.config.as_object_mut().unwrap().remove("hostname");
    second.sh("hostname; ps").write();
    let run = case.coble().args(["run", "-b"]).arg(&second.path).arg(format!("{}-2", case.id));
    let said = run.output().stdout();
    let hostname = first.config["hostname"].as_str().unwrap();
    assert!(said.starts_with(hostname), "{said}");
    assert!(said.contains("sleep 1000"), "{said}");
}
