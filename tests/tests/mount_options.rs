//! `mounts[].options`: every option of the specification (config.md, "Linux mount options").
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::path::Path;

use coble_tests::{Bundle, Case, MountLine};

/// Options of a new tmpfs, the options that its mount then has, and an option of the file system.
const NEW: [(&str, &str, &str); 32] = [
    ("defaults", "rw,relatime", "rw"),
    ("async", "rw,relatime", "rw"),
    ("sync", "rw,relatime", "sync"),
    ("dirsync", "rw,relatime", "dirsync"),
    ("mand", "rw,relatime", "mand"),
    ("nomand", "rw,relatime", "rw"),
    ("lazytime", "rw,relatime", "lazytime"),
    ("nolazytime", "rw,relatime", "rw"),
    // The kernel doesn't tell of it; compile/tests/mounts.rs shows that mount(2) gets it.
    ("iversion", "rw,relatime", "rw"),
    ("noiversion", "rw,relatime", "rw"),
    ("silent", "rw,relatime", "rw"),
    ("loud", "rw,relatime", "rw"),
    ("rw", "rw,relatime", "rw"),
    ("ro", "ro,relatime", "rw"),
    ("suid", "rw,relatime", "rw"),
    ("nosuid", "rw,nosuid,relatime", "rw"),
    ("dev", "rw,relatime", "rw"),
    ("nodev", "rw,nodev,relatime", "rw"),
    ("exec", "rw,relatime", "rw"),
    ("noexec", "rw,noexec,relatime", "rw"),
    ("atime", "rw,relatime", "rw"),
    ("noatime", "rw,noatime", "rw"),
    ("diratime", "rw,relatime", "rw"),
    ("nodiratime", "rw,nodiratime,relatime", "rw"),
    ("relatime", "rw,relatime", "rw"),
    ("norelatime", "rw,relatime", "rw"),
    ("strictatime", "rw", "rw"),
    ("nostrictatime", "rw,relatime", "rw"),
    ("symfollow", "rw,relatime", "rw"),
    ("nosymfollow", "rw,relatime,nosymfollow", "rw"),
    ("tmpcopyup", "rw,relatime", "rw"),
    ("size=64k", "rw,relatime", "size=64k"),
];

#[test]
fn options_of_a_new_file_system() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for (option, ..) in NEW {
        bundle.mount("tmpfs", "tmpfs", &format!("/mnt/{option}"), &[option]);
    }
    let table = case.mount_table(&mut bundle);
    for (option, flags, data) in NEW {
        let line = MountLine::find(&table, &format!("/mnt/{option}"));
        assert_eq!(line.flags.join(","), flags, "{option}");
        assert!(line.data.contains(&data.to_owned()), "{option}: {:?}", line.data);
        let asked = ["sync", "dirsync", "mand", "lazytime"].contains(&option);
        let has = line
            .data
            .iter()
            .any(|word| ["sync", "dirsync", "mand", "lazytime"].contains(&word.as_str()));
        assert_eq!(has, asked, "{option}: {:?}", line.data);
    }
}

/// But for a tmpfs, which is filled first.
#[test]
fn a_new_file_system_is_read_only_as_a_whole() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.mount("ramfs", "ramfs", "/mnt", &["ro"]);
    let line = case.mount_line(&mut bundle, "/mnt");
    assert_eq!((line.flags[0].as_str(), line.data[0].as_str()), ("ro", "ro"));
}

/// Options of a bind mount and what its mount has then: first where the host's has nothing, then where it has
/// everything.
const BOUND: [(&str, &str, &str); 26] = [
    ("defaults", "rw,relatime", ALL),
    ("ro", "ro,relatime", ALL),
    ("rw", "rw,relatime", "rw,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow"),
    ("nosuid", "rw,nosuid,relatime", ALL),
    ("suid", "rw,relatime", "ro,nodev,noexec,noatime,nodiratime,nosymfollow"),
    ("nodev", "rw,nodev,relatime", ALL),
    ("dev", "rw,relatime", "ro,nosuid,noexec,noatime,nodiratime,nosymfollow"),
    ("noexec", "rw,noexec,relatime", ALL),
    ("exec", "rw,relatime", "ro,nosuid,nodev,noatime,nodiratime,nosymfollow"),
    ("noatime", "rw,noatime", ALL),
    ("atime", "rw,relatime", "ro,nosuid,nodev,noexec,nodiratime,relatime,nosymfollow"),
    ("relatime", "rw,relatime", "ro,nosuid,nodev,noexec,nodiratime,relatime,nosymfollow"),
    ("norelatime", "rw,relatime", "ro,nosuid,nodev,noexec,nodiratime,relatime,nosymfollow"),
    ("strictatime", "rw", "ro,nosuid,nodev,noexec,nodiratime,nosymfollow"),
    ("nostrictatime", "rw,relatime", "ro,nosuid,nodev,noexec,nodiratime,relatime,nosymfollow"),
    ("nodiratime", "rw,nodiratime,relatime", ALL),
    ("diratime", "rw,relatime", "ro,nosuid,nodev,noexec,noatime,nosymfollow"),
    ("nosymfollow", "rw,relatime,nosymfollow", ALL),
    ("symfollow", "rw,relatime", "ro,nosuid,nodev,noexec,noatime,nodiratime"),
    ("async", "rw,relatime", ALL),
    ("nomand", "rw,relatime", ALL),
    ("noiversion", "rw,relatime", ALL),
    ("nolazytime", "rw,relatime", ALL),
    ("silent", "rw,relatime", ALL),
    ("loud", "rw,relatime", ALL),
    ("rprivate", "rw,relatime", ALL),
];

const ALL: &str = "ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow";

/// The options of the mounts below `/mnt` that the container sees where `source` on the host is a tmpfs with
/// these options, and another one with the same lies on its folder `sub`.
#[track_caller]
fn flags_below(
    case: &Case,
    bundle: &mut Bundle,
    source: &Path,
    host: &str,
) -> impl Fn(&str) -> String {
    bundle.args(&["cat", "/proc/self/mountinfo"]).write();
    let script = "mount -t tmpfs tmpfs $0 && mkdir $0/sub && mount -t tmpfs -o $1 tmpfs $0/sub && \
                  mount -o remount,bind,$1 $0 && shift && exec \"$@\"";
    let private = ["--mount", "--propagation", "private", "sh", "-c", script];
    let run = case.tool("unshare").args(private).arg(source).arg(host).arg(case.program());
    let run = run.arg("--root").arg(case.state_root()).args(["run", "-b"]);
    let table = run.arg(&bundle.path).arg(&case.id).output().stdout();
    move |point| MountLine::find(&table, point).flags.join(",")
}

#[test]
fn options_of_a_bind_mount() {
    let Some(case) = Case::root() else { return };
    let source = case.folder("source");
    for (name, host) in [("nothing", "relatime"), ("everything", ALL)] {
        let mut bundle = case.bundle_at(name);
        for (option, ..) in BOUND {
            let to = format!("/mnt/{option}");
            bundle.mount("bind", source.to_str().unwrap(), &to, &["bind", option]);
        }
        let flags = flags_below(&case, &mut bundle, &source, host);
        for (option, of_nothing, of_everything) in BOUND {
            let expected = if name == "nothing" { of_nothing } else { of_everything };
            assert_eq!(flags(&format!("/mnt/{option}")), expected, "{option} of {host}");
        }
    }
}

/// The recursive options: what the mount and the one below it have then.
#[test]
fn recursive_options_of_a_bind_mount() {
    let Some(case) = Case::root() else { return };
    if !has_mount_setattr() {
        return;
    }
    let source = case.folder("source");
    let names = BOUND.iter().filter(|(name, ..)| {
        let of_the_file_system = ["async", "nomand", "noiversion", "nolazytime", "silent", "loud"];
        !of_the_file_system.contains(name) && !["defaults", "rprivate"].contains(name)
    });
    let names: Vec<_> = names.collect();
    assert_eq!(names.len(), 18);
    for (name, host) in [("nothing", "relatime"), ("everything", ALL)] {
        let mut bundle = case.bundle_at(name);
        for (option, ..) in &names {
            let to = format!("/mnt/{option}");
            let recursive = format!("r{option}");
            bundle.mount("bind", source.to_str().unwrap(), &to, &["rbind", &recursive]);
        }
        let flags = flags_below(&case, &mut bundle, &source, host);
        for (option, of_nothing, of_everything) in &names {
            let expected = if name == "nothing" { of_nothing } else { of_everything };
            for below in ["", "/sub"] {
                let point = format!("/mnt/{option}{below}");
                assert_eq!(flags(&point), *expected, "r{option} of {host} on {point}");
            }
        }
    }
}

/// What the options do, beside standing in the table.
#[test]
fn options_are_in_force() {
    let Some(case) = Case::root() else { return };
    let source = case.folder("source");
    fs::copy("/bin/busybox", source.join("true")).unwrap();
    std::os::unix::fs::symlink("true", source.join("link")).unwrap();
    case.tool("mknod").arg(source.join("null")).args(["c", "1", "3"]).output().ok();
    let mut bundle = case.bundle();
    for option in ["ro", "nodev", "noexec", "nosymfollow", "nosuid", "defaults"] {
        let to = format!("/{option}");
        bundle.mount("bind", source.to_str().unwrap(), &to, &["bind", option]);
    }
    bundle.sh(
        "for on in ro nodev noexec nosymfollow defaults; do cd /$on; echo $on; \
         touch new 2>/dev/null || echo not writable; echo x 2>/dev/null > null || echo no device; \
         ./true 2>/dev/null || echo not executable; cat link > /dev/null 2>&1 || echo no links; done",
    );
    let said = case.run(&bundle).output().stdout();
    let expected = "ro\nnot writable\nnodev\nno device\nnoexec\nnot executable\n\
                    nosymfollow\nno links\ndefaults\n";
    assert_eq!(said, expected);
}

#[test]
fn the_last_of_two_opposite_options_wins() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.mount("tmpfs", "tmpfs", "/mnt", &["ro", "nosuid", "rw", "suid", "exec", "noexec"]);
    let flags = case.mount_line(&mut bundle, "/mnt").flags;
    assert_eq!(flags, ["rw", "noexec", "relatime"]);
}

#[test]
fn a_bind_mount_has_no_options_of_a_file_system() {
    let Some(case) = Case::root() else { return };
    for option in ["size=5", "sync", "dirsync", "mand", "lazytime", "iversion"] {
        let mut bundle = case.bundle_at(option);
        bundle.mount("bind", "/etc", "/mnt", &["rbind", "ro", option]);
        let name = option.split('=').next().unwrap();
        let words = "bind mounts cannot have any filesystem-specific options applied";
        case.refuses(case.run(&bundle), &["/options", words, name]);
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
        assert_eq!(
            case.mount_line(&mut bundle, "/mnt").flags,
            ["ro", "nodev", "noatime"],
            "{kind}"
        );
    }
}

#[test]
fn the_propagation_of_one_mount() {
    let Some(case) = Case::root() else { return };
    for (option, field) in [("shared", "shared"), ("unbindable", "unbindable"), ("private", "")] {
        let mut bundle = case.bundle_at(option);
        bundle.mount("tmpfs", "tmpfs", "/mnt", &[option]);
        let propagation = case.mount_line(&mut bundle, "/mnt").propagation;
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
