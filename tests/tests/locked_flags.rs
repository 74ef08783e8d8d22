//! What the host's mounts forbid, in a container with a user namespace: it stays, and an option that would take it away
//! is an error.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use coble_tests::{Bundle, Case, Cmd};

const FLAGS: &str = "ro,nosuid,nodev,noexec,noatime";

/// A bundle whose root in the container is another user of the host, and may mount.
fn in_user_namespace(case: &Case, name: &str) -> Bundle {
    let mut bundle = case.bundle_at(name);
    bundle.user_namespace(100_000, 65536);
    for set in ["bounding", "effective", "permitted"] {
        bundle.list(&format!("/process/capabilities/{set}")).push("CAP_SYS_ADMIN".into());
    }
    case.give_rootfs(&bundle, 100_000);
    bundle
}

/// Runs the bundle where a tmpfs with [`FLAGS`] is mounted on `source`.
fn with_host_mount(case: &Case, source: &Path, bundle: &Bundle) -> Cmd {
    bundle.write();
    let script = "for dir in $0 $0/sub; do mount -t tmpfs none $dir && mkdir $dir/sub; done; \
                  for dir in $0/sub $0; do mount -o remount,bind,$1 $dir; done; shift; exec \"$@\"";
    let private = ["--mount", "--propagation", "private", "sh", "-c", script];
    let run = case.tool("unshare").args(private).arg(source).arg(FLAGS).arg(case.program());
    let run = run.arg("--root").arg(case.state_root()).args(["run", "-b"]);
    run.arg(&bundle.path).arg(&case.id)
}

/// A source that the container's root can follow the path to, and one that it can't.
fn sources(case: &Case) -> [std::path::PathBuf; 2] {
    let (open, closed) = (case.folder("open"), case.folder("closed/source"));
    fs::set_permissions(case.dir.join("closed"), PermissionsExt::from_mode(0o700)).unwrap();
    [open, closed]
}

#[test]
fn what_is_not_named_is_kept() {
    let Some(case) = Case::root() else { return };
    for (nth, source) in sources(&case).iter().enumerate() {
        let mut bundle = in_user_namespace(&case, &format!("bundle-{nth}"));
        bundle.mount("bind", source.to_str().unwrap(), "/mnt", &["rbind"]);
        bundle.mount("bind", source.to_str().unwrap(), "/more", &["rbind", "nosymfollow"]);
        bundle.sh("grep -E ' /(mnt|mnt/sub|more) ' /proc/self/mountinfo | cut -d' ' -f5,6");
        let said = with_host_mount(&case, source, &bundle).output().stdout();
        let expected = format!("/mnt {FLAGS}\n/mnt/sub {FLAGS}\n/more {FLAGS},nosymfollow\n");
        assert_eq!(said, expected);
    }
}

#[test]
fn the_containers_root_can_not_take_it_away() {
    let Some(case) = Case::root() else { return };
    for (nth, source) in sources(&case).iter().enumerate() {
        let mut bundle = in_user_namespace(&case, &format!("bundle-{nth}"));
        bundle.mount("bind", source.to_str().unwrap(), "/mnt", &["rbind"]);
        bundle.sh("for left in rw suid dev exec; do \
                       mount -o remount,bind,$left /mnt && echo gone: $left; \
                       mount -o remount,bind,$left /mnt/sub && echo gone below: $left; done; \
                   umount /mnt/sub && echo uncovered; \
                   grep -E ' /mnt(/sub)? ' /proc/self/mountinfo | cut -d' ' -f5,6");
        let said = with_host_mount(&case, source, &bundle).output().ok();
        assert_eq!(said.stdout, format!("/mnt {FLAGS}\n/mnt/sub {FLAGS}\n"), "{said}");
    }
}

#[test]
fn an_option_that_would_take_it_away_is_an_error() {
    let Some(case) = Case::root() else { return };
    let flags = |words| format!("cannot clear locked flags: {words}: operation not permitted");
    let atime = "cannot change locked atime flags: operation not permitted".to_owned();
    for (nth, source) in sources(&case).iter().enumerate() {
        for (options, words) in [
            (["rbind", "rw"], flags("ro")),
            (["rbind", "exec,dev"], flags("nodev,noexec")),
            (["rbind", "rsuid"], flags("nosuid")),
            (["rbind", "relatime"], atime.clone()),
            (["rbind", "strictatime"], atime.clone()),
        ] {
            let mut bundle = in_user_namespace(&case, &format!("bundle-{nth}-{}", options[1]));
            bundle.mount("bind", source.to_str().unwrap(), "/mnt", &options);
            let words = ["/mounts/7", "/mnt", &words];
            case.refuses(with_host_mount(&case, source, &bundle), &words);
            // The older way.
            if options[1] != "rsuid" {
                let run = with_host_mount(&case, source, &bundle);
                case.refuses(run.env("COBLE_WITHOUT", "mount_setattr"), &words);
            }
        }
        // What asks for what is there takes nothing away.
        let mut bundle = in_user_namespace(&case, &format!("bundle-{nth}"));
        bundle.mount("bind", source.to_str().unwrap(), "/mnt", &["rbind", "ro,noatime,nosuid"]);
        bundle.sh("grep ' /mnt ' /proc/self/mountinfo | cut -d' ' -f6");
        let said = with_host_mount(&case, source, &bundle).output().stdout();
        assert_eq!(said, format!("{FLAGS}\n"));
    }
}

#[test]
fn without_a_user_namespace_options_change_the_flags() {
    let Some(case) = Case::root() else { return };
    let [source, _] = sources(&case);
    let mut bundle = case.bundle();
    bundle.mount("bind", source.to_str().unwrap(), "/mnt", &["rbind", "rw", "exec", "relatime"]);
    bundle.sh("grep ' /mnt ' /proc/self/mountinfo | cut -d' ' -f6");
    let said = with_host_mount(&case, &source, &bundle).output().stdout();
    assert_eq!(said, "rw,nosuid,nodev,relatime\n");
}

/// There the executor makes its mount namespace itself, after it has joined.
#[test]
fn in_a_joined_user_namespace_it_stays_too() {
    let Some(case) = Case::root() else { return };
    let first = format!("{}-first", case.id);
    let mut owner = in_user_namespace(&case, "owner");
    owner.sh("sleep 1000").write();
    case.coble().args(["run", "-d", "-b"]).arg(&owner.path).arg(&first).output().ok();
    let state = case.coble().args(["state", &first]).output().stdout();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let namespace = format!("/proc/{}/ns/user", state["pid"]);
    for (nth, source) in sources(&case).iter().enumerate() {
        let mut bundle = in_user_namespace(&case, &format!("bundle-{nth}"));
        bundle.join("user", Path::new(&namespace));
        for map in ["uidMappings", "gidMappings"] {
            bundle.config["linux"].as_object_mut().unwrap().remove(map);
        }
        bundle.mount("bind", source.to_str().unwrap(), "/mnt", &["rbind"]);
        bundle
            .sh("mount -o remount,bind,rw /mnt && echo gone; umount /mnt/sub && echo uncovered; \
                   grep -E ' /mnt(/sub)? ' /proc/self/mountinfo | cut -d' ' -f5,6");
        let said = with_host_mount(&case, source, &bundle).output().ok();
        assert_eq!(said.stdout, format!("/mnt {FLAGS}\n/mnt/sub {FLAGS}\n"), "{said}");
    }
}

#[test]
fn without_what_is_mounted_below_it_can_not_be_had() {
    let Some(case) = Case::root() else { return };
    for (nth, source) in sources(&case).iter().enumerate() {
        let mut bundle = in_user_namespace(&case, &format!("bundle-{nth}"));
        bundle.mount("bind", source.to_str().unwrap(), "/mnt", &["bind"]);
        let words = ["/mounts/", "open_tree", "invalid argument", "only with rbind"];
        case.refuses(with_host_mount(&case, source, &bundle), &words);
    }
}
