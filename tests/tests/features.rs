//! `features`: what is claimed is there.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Case, skip};
use serde_json::{Value, json};

fn features(case: &Case) -> Value {
    serde_json::from_str(&case.bare().arg("features").output().stdout()).unwrap()
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

#[test]
fn the_answer_has_the_members_of_the_specification_and_no_others() {
    let Some(case) = Case::plain() else { return };
    let features = features(&case);
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut top = members(&features);
    top.sort_unstable();
    let all = [
        "annotations",
        "hooks",
        "linux",
        "mountOptions",
        "ociVersionMax",
        "ociVersionMin",
        "potentiallyUnsafeConfigAnnotations",
    ];
    assert_eq!(top, all);
    let mut linux = members(&features["linux"]);
    linux.sort_unstable();
    let all = [
        "apparmor",
        "capabilities",
        "cgroup",
        "intelRdt",
        "memoryPolicy",
        "mountExtensions",
        "namespaces",
        "netDevices",
        "seccomp",
        "selinux",
    ];
    assert_eq!(linux, all);
    for pointer in ["/cgroup/v1", "/cgroup/v2", "/cgroup/rdma", "/apparmor/enabled"] {
        assert_eq!(features["linux"].pointer(pointer), Some(&json!(true)), "{pointer}");
    }
    assert_eq!(features["annotations"]["org.opencontainers.runc.checkpoint.enabled"], "false");
}

#[test]
fn there_are_no_arguments() {
    let Some(case) = Case::plain() else { return };
    let said = "\"features\" requires exactly 0 argument(s)";
    case.bare().args(["features", "x"]).output().refused(&[said]);
}

#[test]
fn every_namespace_that_is_claimed_is_made() {
    let Some(case) = Case::root() else { return };
    let features = features(&case);
    let mut bundle = case.bundle();
    bundle.user_namespace(0, 65536);
    let kinds = words(&features["linux"]["namespaces"]);
    for kind in kinds.iter().filter(|kind| **kind != "user") {
        bundle.namespace(kind);
    }
    let file = |kind: &str| match kind {
        "mount" => "mnt".to_owned(),
        "network" => "net".to_owned(),
        other => other.to_owned(),
    };
    let script: Vec<_> =
        kinds.iter().map(|kind| format!("readlink /proc/self/ns/{}", file(kind))).collect();
    bundle.sh(&script.join("; "));
    let said = case.run(&bundle).output().stdout();
    let inside: Vec<&str> = said.lines().collect();
    assert_eq!(inside.len(), kinds.len(), "{said}");
    for (kind, inside) in kinds.iter().zip(inside) {
        let own = fs::read_link(format!("/proc/self/ns/{}", file(kind))).unwrap();
        assert_ne!(own.to_str(), Some(inside), "{kind}");
    }
}

/// Each option alone on a mount of its own: of a tmpfs, or where it is about a mount that is there, of a folder.
#[test]
fn every_mount_option_that_is_claimed_is_taken() {
    let Some(case) = Case::root() else { return };
    let features = features(&case);
    let mut bundle = case.bundle();
    let source = case.folder("source");
    let source = source.to_str().unwrap();
    let mut count = 0;
    for option in words(&features["mountOptions"]) {
        let to = format!("/mnt/{option}");
        match option {
            "bind" | "rbind" => bundle.mount("bind", source, &to, &[option]),
            // A remount needs something to remount; files on the root may refuse mandatory locks.
            "remount" => bundle.mount("tmpfs", "x", &to, &[]).mount("", "", &to, &[option]),
            // The host's file system may have no id-mapped mounts; `mounts` tests them.
            "idmap" | "ridmap" => continue,
            _ => bundle.mount("tmpfs", "x", &to, &[option]),
        };
        count += 1;
    }
    assert!(count > 50, "{count} options");
    bundle.sh("grep -c ' /mnt/' /proc/self/mountinfo");
    let output = case.run(&bundle).output();
    if output.stderr.contains("invalid argument") && output.stderr.contains("symfollow") {
        return skip("the kernel has no nosymfollow");
    }
    assert_eq!(output.stdout(), format!("{count}\n"));
}
