//! Attacks by an image: symbolic links and files that stand where the runtime will mount, make or write.
//!
//! The runtime may refuse such an image or do its work inside the root. What lies outside must not change.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use coble_tests::{Bundle, Case, Output};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

/// A folder of the host that an image points at.
struct Outside {
    folder: PathBuf,
    victim: PathBuf,
    /// Whose both are, so that the case's user may change them.
    owner: (u32, u32),
}

/// As root, and as a plain user, whose containers have a user namespace.
fn cases() -> impl Iterator<Item = Case> {
    [Case::root(), Case::plain()].into_iter().flatten()
}

impl Outside {
    fn new(case: &Case) -> Self {
        let folder = case.folder("outside");
        let victim = case.file("outside/victim", "untouched");
        fs::set_permissions(&victim, PermissionsExt::from_mode(0o640)).unwrap();
        let meta = fs::metadata(&folder).unwrap();
        Self { folder, victim, owner: (meta.uid(), meta.gid()) }
    }

    /// Asserts that nothing was made, changed or given away there.
    #[track_caller]
    fn assert_untouched(&self, what: &str) {
        let names: Vec<_> =
            fs::read_dir(&self.folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["victim"], "{what}");
        assert_eq!(fs::read_to_string(&self.victim).unwrap(), "untouched", "{what}");
        let meta = fs::metadata(&self.victim).unwrap();
        assert_eq!(meta.mode() & 0o7777, 0o640, "{what}");
        assert_eq!((meta.uid(), meta.gid()), self.owner, "{what}");
    }
}

/// A refusal is one line and leaves nothing.
#[track_caller]
fn assert_orderly(case: &Case, output: &Output) {
    if output.code != Some(0) {
        output.clone().refused(&[]);
    }
    case.assert_clean();
}

#[test]
fn a_link_in_place_of_proc_or_sys_is_refused() {
    for case in cases() {
        let outside = Outside::new(&case);
        for name in ["/proc", "/sys"] {
            for target in [outside.folder.to_str().unwrap(), "/tmp", "..", "/proc/self"] {
                let mut bundle =
                    case.bundle_at(&format!("{}{}", &name[1..], target.replace('/', "-")));
                symlink(target, bundle.inside(name)).unwrap();
                bundle.args(&["true"]);
                // A plain user's `/sys` is a bind mount, which may follow a link to inside.
                if name == "/sys" && outside.owner != (0, 0) {
                    assert_orderly(&case, &case.run(&bundle).output());
                } else {
                    let words = [name, "must be mounted on ordinary directory"];
                    case.refuses(case.run(&bundle), &words);
                }
                outside.assert_untouched(name);
            }
        }
    }
}

#[test]
fn a_link_in_place_of_dev() {
    for case in cases() {
        let outside = Outside::new(&case);
        for with_mount in [true, false] {
            let mut bundle = case.bundle_at(&format!("bundle-{with_mount}"));
            symlink(&outside.folder, bundle.inside("/dev")).unwrap();
            if !with_mount {
                without_dev(&mut bundle);
            }
            let output = case.run(&bundle).output();
            assert_orderly(&case, &output);
            outside.assert_untouched("/dev");
        }
    }
}

/// Leaves `/dev` to the image.
fn without_dev(bundle: &mut Bundle) {
    for point in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
        bundle.without_mount(point);
    }
    bundle.writable();
}

#[test]
fn links_planted_in_dev() {
    for case in cases() {
        let outside = Outside::new(&case);
        for (nth, name) in ["null", "zero", "tty", "ptmx", "console", "fd", "stdin", "core", "pts"]
            .iter()
            .enumerate()
        {
            for terminal in [false, true] {
                let mut bundle = case.bundle_at(&format!("bundle-{nth}-{terminal}"));
                fs::create_dir(bundle.inside("/dev")).unwrap();
                symlink(&outside.victim, bundle.inside("/dev").join(name)).unwrap();
                without_dev(&mut bundle);
                bundle.config["process"]["terminal"] = terminal.into();
                // A plain user's container has no other ids.
                if outside.owner == (0, 0) {
                    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
                }
                bundle.write();
                let setsid = case.tool("setsid").args(["--ctty", "--wait"]).arg(case.program());
                let run = setsid.arg("--root").arg(case.state_root()).args(["run", "-b"]);
                let (screen, child) =
                    coble_tests::Terminal::run(run.arg(&bundle.path).arg(&case.id));
                let _ = coble_tests::exit_code(child, &screen);
                case.assert_clean();
                outside.assert_untouched(name);
            }
        }
    }
}

#[test]
fn a_link_in_place_of_null_does_not_unmask() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    fs::create_dir(bundle.inside("/dev")).unwrap();
    symlink("/etc/other", bundle.inside("/dev/null")).unwrap();
    fs::write(bundle.inside("/etc/other"), "other").unwrap();
    fs::write(bundle.inside("/etc/secret"), "secret").unwrap();
    bundle.config["linux"]["maskedPaths"] = json!(["/etc/secret"]);
    without_dev(&mut bundle);
    bundle.sh("cat /etc/secret; echo x > /etc/secret; true");
    let output = case.run(&bundle).output();
    assert_eq!(output.stdout, "", "{output}");
    assert_eq!(fs::read_to_string(bundle.inside("/etc/other")).unwrap(), "other");
    case.assert_clean();
}

#[test]
fn a_regular_file_in_place_of_null_does_not_unmask() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    fs::create_dir(bundle.inside("/dev")).unwrap();
    fs::write(bundle.inside("/dev/null"), "planted").unwrap();
    fs::write(bundle.inside("/etc/secret"), "secret").unwrap();
    bundle.config["linux"]["maskedPaths"] = json!(["/etc/secret"]);
    without_dev(&mut bundle);
    bundle.args(&["cat", "/etc/secret"]);
    let output = case.run(&bundle).output();
    assert!(!output.stdout.contains("secret") && !output.stdout.contains("planted"), "{output}");
}

#[test]
fn links_in_the_way_of_a_mount_stay_inside() {
    for case in cases() {
        let outside = Outside::new(&case);
        let absolute = outside.folder.to_str().unwrap().to_owned();
        let climbing = format!("{}{absolute}", "../".repeat(30));
        for (nth, target) in
            [absolute.as_str(), &climbing, "/proc/1/root", "/.."].iter().enumerate()
        {
            for kind in ["tmpfs", "bind"] {
                let mut bundle = case.bundle_at(&format!("bundle-{nth}-{kind}"));
                symlink(target, bundle.inside("/link")).unwrap();
                let options: &[&str] = if kind == "bind" { &["bind"] } else { &[] };
                bundle.mount(kind, "/etc", "/link/made/deep", options);
                bundle.mount(kind, "/etc", "/link", options);
                let output = case.run(&bundle).output();
                assert_orderly(&case, &output);
                outside.assert_untouched(target);
            }
        }
    }
}

#[test]
fn links_in_the_way_of_masked_and_read_only_paths() {
    for case in cases() {
        let outside = Outside::new(&case);
        let mut bundle = case.bundle();
        symlink(&outside.victim, bundle.inside("/link")).unwrap();
        symlink(&outside.folder, bundle.inside("/folder")).unwrap();
        symlink("/loop", bundle.inside("/loop")).unwrap();
        bundle.config["linux"]["maskedPaths"] = json!(["/link", "/folder", "/folder/victim"]);
        bundle.config["linux"]["readonlyPaths"] = json!(["/link", "/folder"]);
        let output = case.run(&bundle).output();
        assert_orderly(&case, &output);
        outside.assert_untouched("masked");
        assert_eq!(fs::read_to_string(&outside.victim).unwrap(), "untouched");
        bundle.config["linux"]["maskedPaths"] = json!(["/loop"]);
        let output = case.run(&bundle).output();
        assert_orderly(&case, &output);
    }
}

#[test]
fn links_in_the_way_of_the_working_folder() {
    for case in cases() {
        let outside = Outside::new(&case);
        let mut bundle = case.bundle();
        symlink(&outside.folder, bundle.inside("/link")).unwrap();
        bundle.config["process"]["cwd"] = "/link/made".into();
        let output = case.run(&bundle).output();
        assert_orderly(&case, &output);
        outside.assert_untouched("cwd");
    }
}

#[test]
fn links_in_the_way_of_devices() {
    for case in cases() {
        let outside = Outside::new(&case);
        let mut bundle = case.bundle();
        bundle.writable();
        symlink(&outside.folder, bundle.inside("/link")).unwrap();
        symlink(&outside.victim, bundle.inside("/victim")).unwrap();
        let id = if outside.owner == (0, 0) { 1000 } else { 0 };
        for path in ["/link/device", "/victim"] {
            bundle.config["linux"]["devices"] =
                json!([{"path": path, "type": "c", "major": 1, "minor": 3, "uid": id, "gid": id}]);
            let output = case.run(&bundle).output();
            assert_orderly(&case, &output);
            outside.assert_untouched(path);
        }
    }
}

#[test]
fn a_folder_that_becomes_a_link_while_it_is_mounted_on() {
    for case in cases() {
        let outside = Outside::new(&case);
        let mut bundle = case.bundle();
        fs::create_dir_all(bundle.inside("/volume/a")).unwrap();
        symlink(&outside.folder, bundle.inside("/volume/b")).unwrap();
        bundle.mount("tmpfs", "tmpfs", "/volume/a/made/here", &[]).writable();
        let (one, two) = (bundle.inside("/volume/a"), bundle.inside("/volume/b"));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = renameat_with(CWD, &one, CWD, &two, RenameFlags::EXCHANGE);
                }
            });
            for _ in 0..100 {
                let output = case.run(&bundle).output();
                let code = output.code;
                if code != Some(0) && code != Some(1) {
                    stop.store(true, Ordering::Relaxed);
                    panic!("{output}");
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        outside.assert_untouched("swapped");
        case.assert_clean();
    }
}

/// Runs the bundle many times while two files change places without end.
#[track_caller]
fn run_while_swapping(case: &Case, bundle: &Bundle, one: &Path, two: &Path, look: impl Fn(Output)) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = renameat_with(CWD, one, CWD, two, RenameFlags::EXCHANGE);
            }
        });
        let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..100 {
                look(case.run(bundle).output());
            }
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = looked {
            std::panic::resume_unwind(panic);
        }
    });
}

/// CVE-2019-19921 and CVE-2023-27561: who can change the folder above `/proc` while a container is made gets it neither mounted
/// elsewhere nor unmasked.
#[test]
fn a_proc_that_is_swapped_for_a_link_while_it_is_mounted() {
    for case in cases() {
        let outside = Outside::new(&case);
        for target in [outside.folder.to_str().unwrap(), "/tmp"] {
            let mut bundle = case.bundle_at(&target.replace('/', "-"));
            let (proc, link) = (bundle.inside("/proc"), bundle.inside("/link"));
            fs::create_dir_all(&proc).unwrap();
            symlink(target, &link).unwrap();
            bundle.config["linux"]["maskedPaths"] = json!(["/proc/version"]);
            bundle
                .sh("cat /proc/version /link/version; echo x >> /proc/sys/kernel/domainname; true");
            run_while_swapping(&case, &bundle, &proc, &link, |output| {
                if output.code != Some(0) {
                    output.clone().refused(&[]);
                }
                assert_eq!(output.stdout, "", "unmasked: {output}");
                outside.assert_untouched(target);
            });
            case.assert_clean();
        }
    }
}

#[test]
fn a_device_that_is_swapped_while_it_is_made() {
    let Some(case) = Case::root() else { return };
    let outside = Outside::new(&case);
    let mut bundle = case.bundle();
    without_dev(&mut bundle);
    let dev = bundle.inside("/dev");
    fs::create_dir(&dev).unwrap();
    let (device, other) = (dev.join("mine"), dev.join("other"));
    fs::hard_link(&outside.victim, &other).unwrap();
    bundle.config["linux"]["devices"] = json!([
        {"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o606, "uid": 1000, "gid": 1000},
    ]);
    bundle.args(&["true"]);
    run_while_swapping(&case, &bundle, &device, &other, |output| {
        if output.code != Some(0) {
            output.refused(&["what is there is not the device"]);
        }
        outside.assert_untouched("swapped");
        // The next container finds no device again.
        for path in [&device, &other] {
            let _ = fs::remove_file(path);
        }
        fs::hard_link(&outside.victim, &other).unwrap();
    });
    case.assert_clean();
}

#[test]
fn files_that_are_swapped_while_they_are_copied_keep_their_modes() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let data = bundle.inside("/data");
    fs::create_dir(&data).unwrap();
    let (secret, public) = (data.join("secret"), data.join("public"));
    for (path, text, mode) in [(&secret, "secret", 0o600), (&public, "public", 0o644)] {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
    bundle.mount("tmpfs", "tmpfs", "/data", &["tmpcopyup"]);
    bundle.sh("cd /data; for f in *; do echo $(cat $f) $(stat -c %a $f); done");
    run_while_swapping(&case, &bundle, &secret, &public, |output| {
        for line in output.ok().stdout.lines() {
            assert!(["secret 600", "public 644"].contains(&line), "{line}");
        }
    });
}

/// CVE-2025-52881: what is written to the kernel's files doesn't go to others, nor to none.
#[test]
fn a_planted_proc_does_not_take_the_runtimes_writes() {
    for case in cases() {
        let fake = case.folder("fake");
        let file = fake.join("sys/net/ipv4/ip_forward");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "untouched").unwrap();
        let mut bundle = case.bundle();
        let owner = fs::metadata(bundle.rootfs()).unwrap();
        chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
        bundle.namespace("network");
        bundle.config["linux"]["sysctl"] = json!({"net.ipv4.ip_forward": "1"});
        bundle.mount("bind", fake.to_str().unwrap(), "/proc", &["bind"]);
        case.refuses(case.run(&bundle), &["/proc", "it is not of type proc"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "untouched");
        let mut bundle = case.bundle_at("tmpfs");
        bundle.mount("tmpfs", "tmpfs", "/proc/sys", &[]);
        case.refuses(case.run(&bundle), &["/proc/sys"]);
    }
}

#[test]
fn a_read_only_root_is_read_only_whatever_the_image_plants() {
    for case in cases() {
        let mut bundle = case.bundle();
        fs::create_dir_all(bundle.inside("/proc/self/fd")).unwrap();
        fs::create_dir_all(bundle.inside("/proc/thread-self")).unwrap();
        symlink("/tmp", bundle.inside("/proc/thread-self/fd")).unwrap();
        for with_proc in [true, false] {
            if !with_proc {
                bundle.without_mount("/proc");
                for list in ["maskedPaths", "readonlyPaths"] {
                    bundle.config["linux"][list] = json!([]);
                }
            }
            bundle.sh("touch /made || echo refused");
            assert_eq!(case.run(&bundle).output().stdout(), "refused\n");
            assert!(!bundle.inside("/made").exists());
        }
    }
}

#[test]
fn a_root_inside_the_image_of_another_is_no_way_out() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    let mut evil = case.bundle_at("evil");
    // A link in the middle of the path to the root: the caller's own choice, but it must lead where it says.
    symlink(&bundle.path, evil.path.join("other")).unwrap();
    evil.config["root"]["path"] = "other/rootfs".into();
    evil.args(&["ls", "/"]);
    let output = case.run(&evil).output();
    if output.code == Some(0) {
        assert!(output.stdout.contains("bin\n") && !output.stdout.contains("boot\n"), "{output}");
    }
    assert_orderly(&case, &output);
    assert!(Path::new("/etc/passwd").exists());
}
