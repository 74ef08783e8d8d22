//! The profiles of engines, as those that are installed write them.

use std::fs;

use coble_seccomp::Arch;
use coble_spec::Seccomp;
use coble_tests::{Case, rootfs, skip};
use serde_json::Value;

use crate::{compare, steps};

/// Capabilities on which calls depend in one of the profiles, each with a rule of its own.
const CAPABILITIES: [&str; 14] = [
    "DAC_READ_SEARCH",
    "NET_ADMIN",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
];

/// The sections that an engine writes, without further capabilities, with one, and with all; none, reported as
/// skipped, where it isn't installed.
fn sections(engine: &str, program: &str, prefix: &str) -> Option<Vec<Seccomp>> {
    let case = Case::root()?;
    let is_there = |dir: &str| fs::metadata(format!("{dir}/{program}")).is_ok();
    if !["/usr/bin", "/usr/sbin", "/bin", "/sbin"].into_iter().any(is_there) {
        skip(&format!("needs {program}"));
        return None;
    }
    let dir = case.folder("engine");
    rootfs(&dir.join("rootfs"));
    let add = |names: &[&str]| -> String {
        names.iter().map(|name| format!("--cap-add {prefix}{name} ")).collect()
    };
    let flags = [String::new(), add(&["SYS_ADMIN"]), add(&CAPABILITIES)];
    let script = case.file("engine.sh", include_str!("engine.sh"));
    let sh = case.tool("sh").arg(script);
    sh.arg(engine).arg(&dir).arg(&case.id).args(&flags).output().ok();
    let section = |number: usize| {
        let text = fs::read(dir.join(format!("{number}.json"))).unwrap();
        let mut config: Value = serde_json::from_slice(&text).unwrap();
        serde_json::from_value(config["linux"]["seccomp"].take()).unwrap()
    };
    Some((1..=flags.len()).map(section).collect())
}

/// Profiles differ with the capabilities; each means the same to both, here and elsewhere, and costs a call no more.
fn are_the_same(engine: &str, sections: &[Seccomp]) {
    let calls = |section: &Seccomp| {
        let allowed = section.syscalls.iter().filter(|syscall| syscall.action == "SCMP_ACT_ALLOW");
        allowed.map(|syscall| syscall.names.len()).sum::<usize>()
    };
    let counts: Vec<usize> = sections.iter().map(calls).collect();
    assert!(counts[0] > 300 && counts.is_sorted_by(|one, other| one < other), "{counts:?}");
    for (section, count) in sections.iter().zip(counts) {
        let unknown = compare::compare(section, Arch::X86_64);
        println!("{engine}: {count} calls allowed, unknown to the library: {unknown:?}");
        steps::are_fewer_than_the_librarys(engine, section);
        let mut elsewhere = section.clone();
        elsewhere.architectures.clear();
        for arch in compare::archs() {
            compare::compare(&elsewhere, arch);
        }
    }
}

#[test]
fn containerd() {
    let Some(sections) = sections("containerd", "ctr", "CAP_") else { return };
    are_the_same("containerd", &sections);
}

#[test]
fn docker() {
    let Some(sections) = sections("docker", "dockerd", "") else { return };
    are_the_same("Docker", &sections);
}

#[test]
fn podman() {
    let Some(sections) = sections("podman", "podman", "") else { return };
    are_the_same("Podman", &sections);
}
