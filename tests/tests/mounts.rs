//! `mounts`: every option, and where the mounts go.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use coble_tests::{Bundle, Case};

/// A line of the container's mount table.
struct Line {
    root: String,
    flags: Vec<String>,
    propagation: Vec<String>,
    kind: String,
    data: Vec<String>,
}

/// The line of the topmost mount on `point`.
#[track_caller]
fn line(case: &Case, bundle: &mut Bundle, point: &str) -> Line {
    bundle.args(&["cat", "/proc/self/mountinfo"]);
    let table = case.run(bundle).output().stdout();
    let found = table.lines().rfind(|line| line.split(' ').nth(4) == Some(point));
    let found = found.unwrap_or_else(|| panic!("nothing is mounted on {point}:\n{table}"));
    let (left, right) = found.split_once(" - ").unwrap();
    let left: Vec<&str> = left.split(' ').collect();
    let right: Vec<&str> = right.split(' ').collect();
    let list = |text: &str| text.split(',').map(str::to_owned).collect();
    Line {
        root: left[3].to_owned(),
        flags: list(left[5]),
        propagation: left[6..].iter().map(|field| (*field).to_owned()).collect(),
        kind: right[0].to_owned(),
        data: list(right[2]),
    }
}

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
        let line = line(&case, &mut bundle, point);
        assert_eq!(line.kind, kind, "{point}");
        assert_eq!(line.flags, flags, "{point}");
    }
    let shm = line(&case, &mut bundle, "/dev/shm");
    assert!(shm.data.contains(&"size=65536k".to_owned()), "{:?}", shm.data);
    let pts = line(&case, &mut bundle, "/dev/pts");
    for option in ["gid=5", "mode=620", "ptmxmode=666"] {
        assert!(pts.data.contains(&option.to_owned()), "{option}: {:?}", pts.data);
    }
}

#[test]
fn flags_of_a_new_file_system() {
    let Some(case) = Case::root() else { return };
    for (nth, (option, flag)) in [
        ("ro", "ro"),
        ("nosuid", "nosuid"),
        ("nodev", "nodev"),
        ("noexec", "noexec"),
        ("noatime", "noatime"),
        ("nodiratime", "nodiratime"),
        ("relatime", "relatime"),
        ("nosymfollow", "nosymfollow"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut bundle = case.bundle_at(&format!("bundle-{nth}"));
        bundle.mount("tmpfs", "tmpfs", "/mnt", &[option]);
        let line = line(&case, &mut bundle, "/mnt");
        assert!(line.flags.contains(&flag.to_owned()), "{option}: {:?}", line.flags);
    }
    let mut bundle = case.bundle_at("strict");
    bundle.mount("tmpfs", "tmpfs", "/mnt", &["strictatime"]);
    assert_eq!(line(&case, &mut bundle, "/mnt").flags, ["rw"]);
    let mut bundle = case.bundle_at("sync");
    bundle.mount("tmpfs", "tmpfs", "/mnt", &["sync", "dirsync"]);
    let data = line(&case, &mut bundle, "/mnt").data;
    assert!(data.contains(&"sync".to_owned()) && data.contains(&"dirsync".to_owned()), "{data:?}");
}

#[test]
fn flags_of_a_bind_mount() {
    let Some(case) = Case::root() else { return };
    let source = case.folder("source");
    let source = source.to_str().unwrap();
    for (nth, options) in [
        ["ro", "nosuid", "nodev", "noexec"].as_slice(),
        &["ro"],
        &["noexec"],
        &["noatime"],
        &["nosymfollow"],
        &["nodiratime", "nosuid"],
    ]
    .into_iter()
    .enumerate()
    {
        let mut bundle = case.bundle_at(&format!("bundle-{nth}"));
        let with_bind: Vec<&str> = ["bind"].iter().chain(options).copied().collect();
        bundle.mount("bind", source, "/mnt", &with_bind);
        let line = line(&case, &mut bundle, "/mnt");
        assert!(line.root.ends_with("/source"), "{}", line.root);
        for option in options {
            assert!(line.flags.contains(&(*option).to_owned()), "{option}: {:?}", line.flags);
        }
        assert_eq!(line.flags.contains(&"rw".to_owned()), !options.contains(&"ro"));
    }
}

#[test]
fn the_last_of_two_opposite_options_wins() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.mount("tmpfs", "tmpfs", "/mnt", &["ro", "nosuid", "rw", "suid", "exec", "noexec"]);
    let flags = line(&case, &mut bundle, "/mnt").flags;
    assert_eq!(flags, ["rw", "noexec", "relatime"]);
}

#[test]
fn a_bind_mount_has_no_options_of_a_file_system() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.mount("bind", "/etc", "/mnt", &["bind", "size=5"]);
    let words = "bind mounts cannot have any filesystem-specific options applied";
    case.refuses(case.run(&bundle), &[words]);
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
            case.tool("chown").args(["-hR", "100000:100000"]).arg(bundle.rootfs()).output().ok();
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

/// The flags of `/mnt` where a mount of the host that has `host` is bound with `options`, on a kernel without
/// `without`.
#[track_caller]
fn bound_flags(case: &Case, host: &str, options: &[&str], without: &str) -> String {
    let source = case.folder("source");
    let name = format!("bundle-{host}-{}-{without}", options.join("-"));
    let mut bundle = case.bundle_at(&name);
    let with_bind: Vec<&str> = ["bind"].iter().chain(options).copied().collect();
    bundle.mount("bind", source.to_str().unwrap(), "/mnt", &with_bind);
    bundle.args(&["cat", "/proc/self/mountinfo"]).write();
    let script = "mount -t tmpfs -o $1 tmpfs $0 && shift && exec \"$@\"";
    let private = ["--mount", "--propagation", "private", "sh", "-c", script];
    let run = case.tool("unshare").args(private).arg(&source).arg(host).arg(case.program());
    let run = run.env("COBLE_WITHOUT", without).arg("--root").arg(case.state_root());
    let table = run.args(["run", "-b"]).arg(&bundle.path).arg(&case.id).output().stdout();
    let found = table.lines().find(|line| line.split(' ').nth(4) == Some("/mnt"));
    found.and_then(|line| line.split(' ').nth(5)).unwrap_or_else(|| panic!("{table}")).to_owned()
}

#[test]
fn without_mount_setattr_the_flags_of_a_bind_mount_are_the_same() {
    let Some(case) = Case::root() else { return };
    for (host, options, expected) in [
        ("nosymfollow", &["ro"][..], "ro,relatime,nosymfollow"),
        ("relatime", &["nosymfollow", "nodev"], "rw,nodev,relatime,nosymfollow"),
        ("nosymfollow,nosuid", &["symfollow"], "rw,nosuid,relatime"),
        ("noatime", &["nosuid"], "rw,nosuid,noatime"),
        ("noatime", &["relatime"], "rw,relatime"),
        ("noatime", &["strictatime", "noexec"], "rw,noexec"),
        ("strictatime", &["nodiratime"], "rw,nodiratime"),
        ("strictatime", &["noatime"], "rw,noatime"),
        ("nodiratime", &["diratime"], "rw,relatime"),
    ] {
        for without in ["", "mount_setattr"] {
            let flags = bound_flags(&case, host, options, without);
            assert_eq!(flags, expected, "{options:?} of {host} without {without:?}");
        }
    }
}

/// Whether the kernel has mount_setattr(2); otherwise the test is reported as skipped.
fn has_mount_setattr() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split('.').map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap(), numbers.next().unwrap());
    if version < (5, 12) {
        coble_tests::skip("the kernel has no mount_setattr(2)");
    }
    version >= (5, 12)
}

#[test]
fn a_remount_reaches_what_is_asked_for() {
    let Some(case) = Case::root() else { return };
    if !has_mount_setattr() {
        return;
    }
    let look = "touch /mnt/x && echo top; touch /mnt/sub/x && echo sub; true";
    for (options, expected) in [
        (["remount", "ro"], "sub\n"),
        (["remount", "rro"], ""),
        (["remount", "rnoexec"], "top\nsub\n"),
    ] {
        let mut bundle = case.bundle_at(&options.join("-"));
        let source = case.dir.join("source");
        bundle.mount("bind", source.to_str().unwrap(), "/mnt", &["rbind"]);
        bundle.mount("", "", "/mnt", &options).sh(look);
        assert_eq!(with_submount(&case, &bundle), expected, "{options:?}");
        let _ = fs::remove_file(source.join("x"));
    }
    let mut bundle = case.bundle_at("size");
    bundle.mount("tmpfs", "tmpfs", "/mnt", &[]).mount("", "", "/mnt", &["remount", "size=1m"]);
    let words = ["/options", "a remount changes the mount, not its file system", "size"];
    case.refuses(case.run(&bundle), &words);
}

#[test]
fn recursive_flags_of_a_new_file_system_are_its_mounts() {
    let Some(case) = Case::root() else { return };
    for (nth, kind) in ["tmpfs", "mqueue"].into_iter().enumerate() {
        let mut bundle = case.bundle_at(&format!("bundle-{nth}"));
        bundle.mount(kind, kind, "/mnt", &["rw", "dev", "rro", "rnodev", "rnoatime"]);
        assert_eq!(line(&case, &mut bundle, "/mnt").flags, ["ro", "nodev", "noatime"], "{kind}");
    }
}

#[test]
fn the_propagation_of_one_mount() {
    let Some(case) = Case::root() else { return };
    for (option, field) in [("shared", "shared"), ("unbindable", "unbindable"), ("private", "")] {
        let mut bundle = case.bundle_at(option);
        bundle.mount("tmpfs", "tmpfs", "/mnt", &[option]);
        let propagation = line(&case, &mut bundle, "/mnt").propagation;
        let first = propagation.first().map_or("", |field| field.split(':').next().unwrap());
        assert_eq!(first, field, "{option}");
    }
}

/// Runs the bundle where `source` has a tmpfs mounted on its folder `sub`.
#[track_caller]
fn with_submount(case: &Case, bundle: &Bundle) -> String {
    let source = case.folder("source");
    fs::create_dir_all(source.join("sub")).unwrap();
    bundle.write();
    let script = "mount -t tmpfs tmpfs $0/sub && echo text > $0/sub/file && exec \"$@\"";
    let private = ["--mount", "--propagation", "private", "sh", "-c", script];
    let run = case.tool("unshare").args(private).arg(&source).arg(case.program()).arg("--root");
    let run = run.arg(case.state_root()).args(["run", "-b"]).arg(&bundle.path).arg(&case.id);
    run.output().stdout()
}

#[test]
fn bind_takes_one_mount_and_rbind_all() {
    let Some(case) = Case::root() else { return };
    if !has_mount_setattr() {
        return;
    }
    let look = "ls /mnt/sub; touch /mnt/x && echo top; touch /mnt/sub/x && echo sub; true";
    for (options, expected) in [
        (["bind"].as_slice(), "top\nsub\n"),
        (["rbind"].as_slice(), "file\ntop\nsub\n"),
        (["rbind", "ro"].as_slice(), "file\nsub\n"),
        (["rbind", "rro"].as_slice(), "file\n"),
    ] {
        let mut bundle = case.bundle_at(&options.join("-"));
        let source = case.dir.join("source");
        bundle.mount("bind", source.to_str().unwrap(), "/mnt", options).sh(look);
        assert_eq!(with_submount(&case, &bundle), expected, "{options:?}");
        let _ = fs::remove_file(source.join("x"));
        let _ = fs::remove_file(source.join("sub/x"));
    }
}

#[test]
fn recursive_flags_reach_every_mount_below() {
    let Some(case) = Case::root() else { return };
    if !has_mount_setattr() {
        return;
    }
    let mut bundle = case.bundle();
    let source = case.dir.join("source");
    let options = ["rbind", "rnoexec", "rnosuid", "rnodev", "rnoatime"];
    bundle.mount("bind", source.to_str().unwrap(), "/mnt", &options);
    bundle.args(&["grep", " /mnt", "/proc/self/mountinfo"]);
    let table = with_submount(&case, &bundle);
    assert_eq!(table.lines().count(), 2, "{table}");
    for line in table.lines() {
        let flags = line.split(' ').nth(5).unwrap();
        for flag in ["noexec", "nosuid", "nodev", "noatime"] {
            assert!(flags.split(',').any(|f| f == flag), "{flag}: {table}");
        }
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
