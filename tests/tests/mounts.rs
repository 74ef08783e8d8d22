//! `mounts`: what is mounted, and where.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use coble_tests::{Bundle, Case};

#[test]
fn the_default_mounts() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for (point, kind, flags) in [
        ("/proc", "proc", ["rw", "relatime"].as_slice()),
        ("/dev", "tmpfs", &["rw", "nosuid"]),
        ("/dev/pts", "devpts", &["rw", "nosuid", "noexec", "relatime"]),
        ("/dev/shm", "tmpfs", &["rw", "nosuid", "nodev", "noexec", "relatime"]),
        ("/dev/mqueue", "mqueue", &["rw", "nosuid", "nodev", "noexec", "relatime"]),
        ("/sys", "sysfs", &["ro", "nosuid", "nodev", "noexec", "relatime"]),
    ] {
        let line = case.mount_line(&mut bundle, point);
        assert_eq!(line.kind, kind, "{point}");
        assert_eq!(line.flags, flags, "{point}");
    }
    let shm = case.mount_line(&mut bundle, "/dev/shm");
    assert!(shm.data.contains(&"size=65536k".to_owned()), "{:?}", shm.data);
    let pts = case.mount_line(&mut bundle, "/dev/pts");
    for option in ["gid=5", "mode=620", "ptmxmode=666"] {
        assert!(pts.data.contains(&option.to_owned()), "{option}: {:?}", pts.data);
    }
}

#[test]
fn a_bind_mount_writes_through() {
    let Some(case) = Case::root() else { return };
    let source = case.folder("source");
    let mut bundle = case.bundle();
    bundle.mount("bind", source.to_str().unwrap(), "/mnt/deep/down", &["bind", "rw"]);
    bundle.sh("echo text > /mnt/deep/down/file");
    case.run(&bundle).output().ok();
    assert_eq!(fs::read_to_string(source.join("file")).unwrap(), "text\n");
}

#[test]
fn a_file_can_be_bound() {
    let Some(case) = Case::root() else { return };
    let source = case.file("resolv.conf", "nameserver\n");
    let mut bundle = case.bundle();
    // Over a file that is there, and over one that has to be made.
    bundle.mount("bind", source.to_str().unwrap(), "/etc/passwd", &["rbind", "ro"]);
    bundle.mount("bind", source.to_str().unwrap(), "/etc/new/file", &["bind", "ro"]);
    bundle.sh("cat /etc/passwd /etc/new/file; echo x > /etc/new/file");
    let output = case.run(&bundle).output().exits(1);
    assert_eq!(output.stdout, "nameserver\nnameserver\n");
    assert!(output.stderr.contains("Read-only file system"), "{output}");
    assert!(bundle.inside("/etc/new/file").is_file());
}

#[test]
fn a_relative_source_is_in_the_bundle() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    fs::create_dir(bundle.path.join("data")).unwrap();
    fs::write(bundle.path.join("data/file"), "text\n").unwrap();
    bundle.mount("bind", "data", "/mnt", &["bind"]).args(&["cat", "/mnt/file"]);
    assert_eq!(case.run(&bundle).output().stdout(), "text\n");
}

#[test]
fn size_and_mode_of_a_tmpfs() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.mount("tmpfs", "tmpfs", "/mnt", &["size=1m", "mode=1770", "uid=7", "gid=8"]);
    bundle.sh("stat -c '%a %u %g' /mnt; head -c 2000000 /dev/zero > /mnt/big || echo full");
    assert_eq!(case.run(&bundle).output().stdout(), "1770 7 8\nfull\n");
}

#[test]
fn a_tmpfs_takes_the_mode_of_the_folder_below() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    fs::create_dir(bundle.inside("/mnt")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o1750);
    fs::set_permissions(bundle.inside("/mnt"), mode).unwrap();
    bundle.mount("tmpfs", "tmpfs", "/mnt", &[]).args(&["stat", "-c", "%a", "/mnt"]);
    assert_eq!(case.run(&bundle).output().stdout(), "1750\n");
}

#[test]
fn tmpcopyup_fills_the_tmpfs() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let data = bundle.inside("/data");
    fs::create_dir_all(data.join("deep/down")).unwrap();
    fs::write(data.join("deep/down/file"), "text\n").unwrap();
    symlink("deep/down/file", data.join("link")).unwrap();
    std::os::unix::fs::chown(data.join("deep"), Some(1000), Some(1001)).unwrap();
    bundle.mount("tmpfs", "tmpfs", "/data", &["tmpcopyup"]);
    bundle.sh("cat /data/link; readlink /data/link; stat -c '%u %g' /data/deep; echo > /data/deep/down/file");
    let said = case.run(&bundle).output().stdout();
    assert_eq!(said, "text\ndeep/down/file\n1000 1001\n");
    let below = fs::read_to_string(data.join("deep/down/file")).unwrap();
    assert_eq!(below, "text\n", "the image below isn't touched");
}

#[test]
fn tmpcopyup_copies_what_is_in_the_folder_and_not_the_folder() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.writable();
    let data = bundle.inside("/data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, PermissionsExt::from_mode(0o1750)).unwrap();
    std::os::unix::fs::chown(&data, Some(1000), Some(1001)).unwrap();
    for (to, options, expected) in [
        ("/data", &["tmpcopyup"][..], "1750 0 0\n"),
        ("/data", &["tmpcopyup", "mode=700", "gid=5"], "700 0 5\n"),
        ("/data", &["uid=7", "tmpcopyup"], "1750 7 0\n"),
        ("/new", &["tmpcopyup"], "1777 0 0\n"),
    ] {
        bundle.mount("tmpfs", "tmpfs", to, options).args(&["stat", "-c", "%a %u %g", to]);
        assert_eq!(case.run(&bundle).output().stdout(), expected, "{to} {options:?}");
        bundle.without_mount(to);
    }
}

#[test]
fn tmpcopyup_copies_every_type_of_file() {
    let Some(case) = Case::root() else { return };
    for user in [false, true] {
        let mut bundle = case.bundle_at(&format!("bundle-{user}"));
        let data = bundle.inside("/data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("file"), "x".repeat(100_000)).unwrap();
        fs::set_permissions(data.join("file"), PermissionsExt::from_mode(0o4711)).unwrap();
        fs::write(data.join("closed"), "closed").unwrap();
        fs::set_permissions(data.join("closed"), PermissionsExt::from_mode(0o000)).unwrap();
        symlink("/nowhere", data.join("link")).unwrap();
        case.tool("mknod").arg(data.join("pipe")).arg("p").output().ok();
        if user {
            bundle.user_namespace(100_000, 65536);
            case.give_rootfs(&bundle, 100_000);
            fs::set_permissions(data.join("file"), PermissionsExt::from_mode(0o4711)).unwrap();
        } else {
            case.tool("mknod").arg(data.join("null")).args(["c", "1", "3"]).output().ok();
        }
        bundle.mount("tmpfs", "tmpfs", "/data", &["tmpcopyup"]);
        bundle.sh("cd /data; stat -c '%n %F %s %a %u' *; readlink link");
        let null = if user { "" } else { "null character special file 0 644 0\n" };
        let expected = format!(
            "closed regular file 6 0 0\nfile regular file 100000 4711 0\nlink symbolic link 8 777 0\n\
             {null}pipe fifo 0 644 0\n/nowhere\n"
        );
        assert_eq!(case.run(&bundle).output().stdout(), expected);
    }
}

#[test]
fn mounts_are_made_in_their_order() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let below = case.folder("below");
    fs::write(below.join("file"), "below\n").unwrap();
    bundle.mount("tmpfs", "tmpfs", "/mnt", &[]);
    bundle.mount("bind", below.to_str().unwrap(), "/mnt/inner", &["bind"]);
    bundle.sh("ls /mnt; cat /mnt/inner/file");
    assert_eq!(case.run(&bundle).output().stdout(), "inner\nbelow\n");
}

#[test]
fn a_mount_on_a_link_lands_inside_the_root() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let outside = format!("/tmp/{}-outside", case.id);
    symlink(&outside, bundle.inside("/link")).unwrap();
    fs::create_dir(bundle.inside(&outside)).unwrap();
    bundle.mount("tmpfs", "tmpfs", "/link/deep", &[]);
    bundle.args(&["grep", "-c", &format!(" {outside}/deep "), "/proc/self/mountinfo"]);
    assert_eq!(case.run(&bundle).output().stdout(), "1\n");
    assert!(!std::path::Path::new(&outside).exists(), "a folder on the host");
}

/// Runs the bundle where all mounts are shared, and mounts a tmpfs on `source/late` while it runs.
#[track_caller]
fn with_late_mount(case: &Case, bundle: &Bundle, source: &std::path::Path) -> String {
    fs::create_dir_all(source.join("late")).unwrap();
    bundle.write();
    let out = case.file("out", "");
    // Shared among themselves, but with nobody outside.
    let script = "mount --make-rshared /; \"$@\" > $OUT & until grep -q ready $OUT || ! kill -0 $!; do sleep 0.05; done; \
                  mount -t tmpfs late $0/late && : > $0/late/file && : > $0/go; wait $!; cat $OUT";
    let shared = ["--mount", "--propagation", "private", "sh", "-c", script];
    let run = case.tool("unshare").env("OUT", out).args(shared).arg(source).arg(case.program());
    let run = run.arg("--root").arg(case.state_root()).args(["run", "-b"]);
    run.arg(&bundle.path).arg(&case.id).output().stdout()
}

#[test]
fn late_mounts_of_the_host_reach_slaves_alone() {
    let Some(case) = Case::root() else { return };
    for (option, expected) in [("rslave", "ready\nfile\n"), ("rprivate", "ready\n")] {
        let mut bundle = case.bundle_at(option);
        let source = case.folder(&format!("source-{option}"));
        bundle.mount("bind", source.to_str().unwrap(), "/mnt", &["rbind", option]);
        bundle.config["linux"]["rootfsPropagation"] = option.into();
        bundle.sh("echo ready; until [ -e /mnt/go ]; do sleep 0.05; done; ls /mnt/late");
        assert_eq!(with_late_mount(&case, &bundle, &source), expected, "{option}");
    }
}

/// The bundle with one more mount must be refused.
#[track_caller]
fn refuses(case: &Case, bundle: &mut Bundle, mount: (&str, &str, &str), words: &[&str]) {
    let (kind, source, to) = mount;
    bundle.mount(kind, source, to, &[]);
    case.refuses(case.run(bundle), words);
    bundle.list("/mounts").pop();
}

#[test]
fn only_a_procfs_may_cover_proc() {
    let Some(case) = Case::root() else { return };
    let fake = case.folder("fake");
    let fake = fake.to_str().unwrap();
    let mut bundle = case.bundle();
    let mut empty = case.bundle_at("empty");
    empty.without_mount("/proc");
    for (kind, source) in [("bind", fake), ("tmpfs", "tmpfs"), ("sysfs", "sysfs")] {
        for bundle in [&mut bundle, &mut empty] {
            refuses(&case, bundle, (kind, source, "/proc"), &["/mounts/", "is not of type proc"]);
        }
    }
    // A second one on the first.
    bundle.mount("proc", "proc", "/proc", &["nosuid"]);
    bundle.sh("grep -c ' /proc .* - proc ' /proc/self/mountinfo; cat /proc/$$/comm; true");
    assert_eq!(case.run(&bundle).output().stdout(), "2\nsh\n");
    // The host's.
    empty.without_namespace("pid").mount("bind", "/proc", "/proc", &["rbind", "nosuid"]);
    empty.sh("grep -c ' /proc .* - proc ' /proc/self/mountinfo; cat /proc/$$/comm; true");
    assert_eq!(case.run(&empty).output().stdout(), "1\nsh\n");
}

#[test]
fn of_what_is_below_proc_some_files_may_be_replaced() {
    let Some(case) = Case::root() else { return };
    let file = case.file("file", "replaced\n");
    let file = file.to_str().unwrap();
    let all = [
        "cpuinfo",
        "diskstats",
        "loadavg",
        "meminfo",
        "slabinfo",
        "stat",
        "swaps",
        "uptime",
        "sys/crypto/fips_enabled",
        "sys/kernel/ns_last_pid",
    ];
    let paths = all.map(|name| format!("/proc/{name}"));
    let there: Vec<_> = paths.iter().filter(|path| Path::new(path).exists()).collect();
    assert!(there.len() > 5, "{there:?}");
    let mut bundle = case.bundle();
    for path in ["/proc/version", "/proc/net/dev", "/proc/self/attr/current", "/proc/cpuinfo2"] {
        let words = ["/destination", path, "it is inside /proc"];
        refuses(&case, &mut bundle, ("bind", file, path), &words);
    }
    for (kind, path) in [("proc", "/proc/sys"), ("tmpfs", "/proc/acpi"), ("bind", "/proc/tty")] {
        refuses(&case, &mut bundle, (kind, "/proc/sys", path), &[path, "it is inside /proc"]);
    }
    for path in &there {
        bundle.mount("bind", file, path, &["bind", "ro"]);
    }
    for path in &there {
        bundle.args(&["cat", path]);
        assert_eq!(case.run(&bundle).output().stdout(), "replaced\n", "{path}");
    }
}

#[test]
fn a_link_is_no_way_into_proc() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for (name, target, kind, source) in [
        ("/one", "/proc", "tmpfs", "tmpfs"),
        ("/two", "/proc/tty", "tmpfs", "x"),
        ("/three", "proc/tty", "bind", "/proc/tty"),
    ] {
        symlink(target, bundle.inside(name)).unwrap();
        let words = [name, "the mount point lies inside a procfs"];
        refuses(&case, &mut bundle, (kind, source, name), &words);
    }
}

/// What the runtime says where all mounts are shared, and whether the mounts there are the same before and after.
fn on_a_shared_host(case: &Case, bundle: &Bundle) -> String {
    bundle.write();
    let script = "mount --make-rshared /; cat /proc/self/mountinfo > $0; \"$@\"; \
                  cmp $0 /proc/self/mountinfo && echo same";
    let shared = ["--mount", "--propagation", "private", "sh", "-c", script];
    let run = case.tool("unshare").args(shared).arg(case.dir.join("table")).arg(case.program());
    let run = run.arg("--root").arg(case.state_root()).args(["run", "-b"]);
    run.arg(&bundle.path).arg(&case.id).output().stdout()
}

#[test]
fn what_is_masked_twice_is_not_mounted_on_the_host() {
    let Some(case) = Case::root() else { return };
    for propagation in ["shared", "rshared", "slave", "private"] {
        let mut bundle = case.bundle_at(propagation);
        symlink("passwd", bundle.inside("/etc/link")).unwrap();
        bundle.config["linux"]["rootfsPropagation"] = propagation.into();
        bundle.config["linux"]["maskedPaths"] = serde_json::json!(["/etc/passwd", "/etc/link"]);
        bundle.sh("cat /etc/passwd; echo masked");
        assert_eq!(on_a_shared_host(&case, &bundle), "masked\nsame\n", "{propagation}");
    }
}

#[test]
fn a_mount_that_is_to_be_shared_is_so_in_a_root_that_is_a_slave() {
    let Some(case) = Case::root() else { return };
    let source = case.folder("source");
    for propagation in ["slave", "rslave", "rprivate"] {
        let mut bundle = case.bundle_at(propagation);
        bundle.mount("bind", source.to_str().unwrap(), "/mnt", &["bind", "shared"]);
        bundle.config["linux"]["rootfsPropagation"] = propagation.into();
        bundle.sh("grep ' /mnt ' /proc/self/mountinfo | grep -c shared:");
        assert_eq!(on_a_shared_host(&case, &bundle), "1\nsame\n", "{propagation}");
    }
}

#[test]
fn a_mount_in_a_shared_folder_reaches_the_host() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for set in ["bounding", "permitted", "effective"] {
        bundle.list(&format!("/process/capabilities/{set}")).push("CAP_SYS_ADMIN".into());
    }
    let source = case.folder("source");
    bundle.mount("bind", source.to_str().unwrap(), "/mnt", &["rbind", "rshared"]);
    bundle.config["linux"]["rootfsPropagation"] = "rshared".into();
    bundle.sh("mkdir /mnt/new && mount -t tmpfs new /mnt/new && echo > /mnt/new/file");
    bundle.write();
    // The mount that the root lies on becomes private: the source has one of its own.
    let script = "mount --make-rshared /; mount -t tmpfs source $0; \"$@\"; ls $0/new";
    let shared = ["--mount", "--propagation", "private", "sh", "-c", script];
    let run = case.tool("unshare").args(shared).arg(source).arg(case.program());
    let run = run.arg("--root").arg(case.state_root()).args(["run", "-b"]);
    assert_eq!(run.arg(&bundle.path).arg(&case.id).output().stdout(), "file\n");
}
