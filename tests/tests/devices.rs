//! `/dev`: what every container has, and what its configuration adds.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use coble_tests::{Bundle, Case};
use serde_json::{Value, json};

/// Gives the container capabilities besides the default ones.
fn allow(bundle: &mut Bundle, capabilities: &[&str]) {
    for set in ["bounding", "permitted", "effective"] {
        for capability in capabilities {
            bundle.list(&format!("/process/capabilities/{set}")).push((*capability).into());
        }
    }
}

#[test]
fn the_default_devices() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let names = ["null", "zero", "full", "random", "urandom", "tty"];
    bundle.sh(&format!(
        "cd /dev; stat -c '%n %F %t %T %a %u %g' {}; head -c 3 /dev/zero | od -An -tx1; \
         echo x > /dev/full; echo x > /dev/null; head -c 1 /dev/urandom | wc -c",
        names.join(" ")
    ));
    let output = case.run(&bundle).output().ok();
    let expected = "\
null character special file 1 3 666 0 0
zero character special file 1 5 666 0 0
full character special file 1 7 666 0 0
random character special file 1 8 666 0 0
urandom character special file 1 9 666 0 0
tty character special file 5 0 666 0 0
 00 00 00
1
";
    assert_eq!(output.stdout, expected);
    assert!(output.stderr.contains("No space left on device"), "/dev/full: {output}");
}

#[test]
fn the_default_links() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle
        .sh("cd /dev; for l in fd stdin stdout stderr ptmx; do readlink $l; done; cat /dev/stdin");
    let said = case.run(&bundle).stdin(b"input\n").output().stdout();
    let expected =
        "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\ninput\n";
    assert_eq!(said, expected);
}

#[test]
fn nothing_else_is_in_dev() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["ls", "/dev"]);
    let said = case.run(&bundle).output().stdout();
    let known = [
        "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm",
        "stderr", "stdin", "stdout", "tty", "urandom", "zero",
    ];
    for name in said.lines() {
        assert!(known.contains(&name), "{name} in /dev:\n{said}");
    }
    assert!(said.lines().count() >= known.len() - 2, "{said}");
}

#[test]
fn devices_of_the_configuration() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["linux"]["devices"] = json!([
        {"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 7, "gid": 8},
        {"path": "/dev/deep/block", "type": "b", "major": 7, "minor": 1, "fileMode": 0o600},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o622},
    ]);
    bundle.sh("cd /dev; stat -c '%n %F %t %T %a %u %g' mine deep/block pipe");
    let expected = "\
mine character special file 1 3 640 7 8
deep/block block special file 7 1 600 0 0
pipe fifo 0 0 622 0 0
";
    assert_eq!(case.run(&bundle).output().stdout(), expected);
}

#[test]
fn a_configured_device_replaces_a_default_one() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["linux"]["devices"] =
        json!([{"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600}]);
    bundle.args(&["stat", "-c", "%t %T %a", "/dev/null"]);
    assert_eq!(case.run(&bundle).output().stdout(), "1 3 600\n");
}

#[test]
fn devices_in_a_user_namespace_are_the_hosts_own() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.user_namespace(100_000, 65536);
    case.give_rootfs(&bundle, 100_000);
    bundle.sh("stat -c '%t %T' /dev/null; echo x > /dev/null; head -c 1 /dev/urandom | wc -c");
    assert_eq!(case.run(&bundle).output().stdout(), "1 3\n1\n");
}

/// Leaves `/dev` to the image, and makes it.
fn image_dev(case: &Case, name: &str) -> Bundle {
    let mut bundle = case.bundle_at(name);
    for point in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
        bundle.without_mount(point);
    }
    fs::create_dir(bundle.inside("/dev")).unwrap();
    bundle.writable();
    bundle
}

/// Puts a node into the image: `mknod PATH KIND`.
fn plant(case: &Case, bundle: &Bundle, path: &str, kind: &[&str], mode: u32, owner: u32) {
    let place = bundle.inside(path);
    case.tool("mknod").arg(&place).args(kind).output().ok();
    chown(&place, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(&place, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn a_node_of_the_image_is_given_what_is_asked_for_and_keeps_the_rest() {
    let Some(case) = Case::root() else { return };
    let mut bundle = image_dev(&case, "bundle");
    for name in ["asked", "owned", "kept", "null"] {
        plant(&case, &bundle, &format!("/dev/{name}"), &["c", "1", "3"], 0o664, 9);
    }
    plant(&case, &bundle, "/dev/pipe", &["p"], 0o666, 9);
    let node = |name: &str, more: Value| {
        let path = format!("/dev/{name}");
        let mut device = json!({"path": path, "type": "c", "major": 1, "minor": 3});
        device.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        device
    };
    bundle.config["linux"]["devices"] = json!([
        node("asked", json!({"fileMode": 0o600})),
        node("owned", json!({"uid": 7, "gid": 8})),
        node("kept", json!({})),
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o620, "uid": 7, "gid": 8},
    ]);
    bundle.sh("cd /dev; stat -c '%n %F %a %u %g' asked owned kept null zero pipe");
    // A default device is not asked for; what was left out beside what was given has its default.
    let expected = "\
asked character special file 600 0 0
owned character special file 666 7 8
kept character special file 664 9 9
null character special file 664 9 9
zero character special file 666 0 0
pipe fifo 620 7 8
";
    assert_eq!(case.run(&bundle).output().stdout(), expected);
}

#[test]
fn what_stands_in_the_place_of_a_device_is_refused() {
    let Some(case) = Case::root() else { return };
    for (nth, kind) in [&["c", "1", "5"][..], &["b", "1", "3"], &["p"], &["file"], &["folder"], &[]]
        .iter()
        .enumerate()
    {
        let mut bundle = image_dev(&case, &format!("bundle-{nth}"));
        let place = bundle.inside("/dev/mine");
        match kind {
            ["file"] => fs::write(&place, "").unwrap(),
            ["folder"] => fs::create_dir(&place).unwrap(),
            [] => symlink("null", &place).unwrap(),
            _ => plant(&case, &bundle, "/dev/mine", kind, 0o640, 9),
        }
        let before = fs::symlink_metadata(&place).unwrap();
        bundle.config["linux"]["devices"] = json!([{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600, "uid": 7}]);
        let words = ["/linux/devices/0", "what is there is not the device", "/dev/mine"];
        case.refuses(case.run(&bundle), &words);
        let after = fs::symlink_metadata(&place).unwrap();
        assert_eq!((after.mode(), after.uid()), (before.mode(), before.uid()), "{kind:?}");
    }
}

#[test]
fn a_new_node_has_its_mode_and_owner_whatever_the_caller_and_the_folder_give() {
    let Some(case) = Case::root() else { return };
    let mut bundle = image_dev(&case, "bundle");
    chown(bundle.inside("/dev"), None, Some(9)).unwrap();
    fs::set_permissions(bundle.inside("/dev"), PermissionsExt::from_mode(0o2755)).unwrap();
    bundle.config["linux"]["devices"] = json!([
        {"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o622},
        {"path": "/dev/all", "type": "c", "major": 1, "minor": 3, "fileMode": 0o777},
    ]);
    bundle.sh("stat -c '%n %a %u %g' /dev/mine /dev/all").write();
    let run = case.tool("sh").args(["-c", "umask 077; exec \"$@\"", "sh"]).arg(case.program());
    let run = run.arg("--root").arg(case.state_root()).args(["run", "-b"]);
    let said = run.arg(&bundle.path).arg(&case.id).output().stdout();
    assert_eq!(said, "/dev/mine 622 0 0\n/dev/all 777 0 0\n");
}

#[test]
fn a_file_of_the_host_that_is_not_the_device_is_not_shown() {
    let Some(case) = Case::root() else { return };
    let planted = case.file("planted", "planted");
    let planted = planted.to_str().unwrap();
    for (nth, (path, kind, minor)) in
        [("/dev/zero", "c", 3), ("/dev/zero", "b", 5), (planted, "c", 3)].into_iter().enumerate()
    {
        let mut bundle = case.bundle_at(&format!("bundle-{nth}"));
        bundle.user_namespace(100_000, 65536);
        case.give_rootfs(&bundle, 100_000);
        bundle.config["linux"]["devices"] =
            json!([{"path": path, "type": kind, "major": 1, "minor": minor}]);
        let words = ["/linux/devices/0", "the host's file is not the device", path];
        case.refuses(case.run(&bundle), &words);
    }
}

#[test]
fn devices_in_a_user_namespace_are_shown_and_fifos_made() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.user_namespace(100_000, 65536);
    case.give_rootfs(&bundle, 100_000);
    bundle.config["linux"]["devices"] = json!([
        {"path": "/dev/full", "type": "c", "major": 1, "minor": 7, "fileMode": 0o600},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o620, "uid": 7, "gid": 8},
    ]);
    bundle.sh("cd /dev; stat -c '%n %F %t %T' full pipe; stat -c '%a %u %g' pipe");
    let expected = "full character special file 1 7\npipe fifo 0 0\n620 7 8\n";
    assert_eq!(case.run(&bundle).output().stdout(), expected);
}

#[test]
fn bad_devices_are_refused() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for (device, words) in [
        (json!({"path": "/dev/x", "type": "z", "major": 1, "minor": 3}), ["linux/devices", "z"]),
        (json!({"path": "dev/x", "type": "c", "major": 1, "minor": 3}), ["dev/x", "absolute"]),
    ] {
        bundle.config["linux"]["devices"] = json!([device]);
        let output = case.run(&bundle).output();
        assert_eq!(output.code, Some(1), "{output}");
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        let said = output.stderr.replace("/linux/devices/0", "linux/devices");
        assert!(words.iter().any(|word| said.contains(word)), "{output}");
        case.assert_clean();
    }
}

/// Tries to make and read a device: `b 7 200` and `c 1 11` (`/dev/kmsg`), which no rule allows by itself.
const PROBE: &str = "for d in 'b 7 200' 'c 1 11'; do \
     mknod /tmp/d $d && head -c 0 < /tmp/d; rm -f /tmp/d; done; \
     mknod /tmp/null c 1 3 && head -c 1 < /tmp/null && echo null works; rm -f /tmp/null";

fn probing(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    allow(&mut bundle, &["CAP_MKNOD", "CAP_SYSLOG"]);
    bundle.config["linux"]["cgroupsPath"] = format!("/{}", case.id).into();
    bundle.writable().sh(PROBE);
    bundle
}

/// The denials that the probe met.
fn denials(output: &coble_tests::Output) -> usize {
    output.stderr.matches("Operation not permitted").count()
}

#[test]
fn devices_that_no_rule_allows_cannot_be_opened() {
    let Some(case) = Case::root() else { return };
    let output = case.run(&probing(&case)).output().ok();
    assert_eq!(denials(&output), 2, "{output}");
    assert_eq!(output.stdout, "null works\n");
}

#[test]
fn rules_open_devices_and_the_last_one_wins() {
    let Some(case) = Case::root() else { return };
    let mut bundle = probing(&case);
    let rules = bundle.list("/linux/resources/devices");
    rules.push(json!({"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"}));
    bundle.sh("mknod /tmp/d c 1 11 && head -c 0 < /tmp/d && echo reads; echo x > /tmp/d; true");
    let output = case.run(&bundle).output().ok();
    assert_eq!((output.stdout.as_str(), denials(&output)), ("reads\n", 1), "{output}");

    std::fs::remove_file(bundle.inside("/tmp/d")).unwrap();
    let rules = bundle.list("/linux/resources/devices");
    rules.push(json!({"allow": false, "type": "c", "major": 1, "minor": 11, "access": "r"}));
    let output = case.run(&bundle).output().ok();
    assert_eq!((output.stdout.as_str(), denials(&output)), ("", 2), "{output}");
}

#[test]
fn no_rules_at_all_still_deny() {
    let Some(case) = Case::root() else { return };
    let mut bundle = probing(&case);
    bundle.config["linux"]["resources"] = json!({});
    let output = case.run(&bundle).output().ok();
    assert_eq!(denials(&output), 2, "{output}");
}

#[test]
fn exec_is_bound_by_the_rules_too() {
    let Some(case) = Case::root() else { return };
    let mut bundle = probing(&case);
    bundle.sh("sleep 1000");
    case.detach(&bundle);
    let output = case.exec(&["sh", "-c", PROBE]).output().ok();
    assert_eq!(denials(&output), 2, "{output}");
}

#[test]
fn rules_with_wildcards() {
    let Some(case) = Case::root() else { return };
    let mut bundle = probing(&case);
    let refused = |bundle: &Bundle| {
        let output = case.run(bundle).output().ok();
        assert_eq!(output.stdout, "null works\n", "{output}");
        let denied = output.stderr.lines().filter(|line| line.contains("Operation not permitted"));
        denied.count()
    };
    let deny = json!({"allow": false, "access": "rwm"});
    for (rule, expected) in [
        (json!({"allow": true, "type": "b", "access": "rwm"}), 1),
        (json!({"allow": true, "type": "b", "major": 7, "access": "rwm"}), 1),
        (json!({"allow": true, "type": "b", "major": 7, "minor": -1, "access": "rwm"}), 1),
        (json!({"allow": true, "type": "b", "major": -1, "minor": 200, "access": "rwm"}), 1),
        (json!({"allow": true, "type": "b", "major": 8, "access": "rwm"}), 2),
        (json!({"allow": true, "type": "c", "minor": 11, "access": "rwm"}), 1),
        (json!({"allow": true, "type": "c", "access": "w"}), 2),
        (json!({"allow": true, "type": "a", "access": "rwm"}), 0),
        (json!({"allow": true, "access": "rwm"}), 0),
    ] {
        bundle.config["linux"]["resources"]["devices"] = json!([deny, rule]);
        assert_eq!(refused(&bundle), expected, "{rule}");
    }
}

#[test]
fn every_type_of_device() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["linux"]["devices"] = json!([
        {"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 5, "fileMode": 0o604, "gid": 5},
        {"path": "/dev/block", "type": "b", "major": 7, "minor": 2, "uid": 9},
        {"path": "/made/pipe", "type": "p", "fileMode": 0o1640, "uid": 3, "gid": 4},
        {"path": "/dev/plain", "type": "c", "major": 1, "minor": 7},
    ]);
    bundle.sh("stat -c '%n %F %t %T %a %u %g' /dev/unbuffered /dev/block /made/pipe /dev/plain");
    let expected = "\
/dev/unbuffered character special file 1 5 604 0 5
/dev/block block special file 7 2 666 9 0
/made/pipe fifo 0 0 1640 3 4
/dev/plain character special file 1 7 666 0 0
";
    assert_eq!(case.run(&bundle).output().stdout(), expected);
}
