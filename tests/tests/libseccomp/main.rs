//! Filters are those of the C library, and cost a call no more: profiles of engines, as they write them.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod compare;
mod library;
mod steps;

use std::path::Path;

use coble_seccomp::Arch;
use coble_spec::Seccomp;

/// What Docker Engine writes (see docker.md beside it).
fn kept() -> Seccomp {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/docker-20.10-seccomp.json");
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    serde_json::from_value(config["linux"]["seccomp"].clone()).unwrap()
}

#[test]
fn a_kept_profile() {
    let section = kept();
    assert!(section.architectures.len() == 3 && section.syscalls.len() > 3, "{section:?}");
    let unknown = compare::compare(&section, Arch::X86_64);
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// The profile says nothing of where it is loaded.
#[test]
fn the_same_profile_elsewhere() {
    let mut section = kept();
    section.architectures.clear();
    let archs = compare::archs();
    assert!(archs.len() >= 17, "{archs:?}");
    for arch in archs {
        let unknown = compare::compare(&section, arch);
        println!("{} {unknown:?}", arch.name());
    }
}

#[test]
fn steps_are_fewer_than_the_librarys() {
    steps::are_fewer_than_the_librarys("Docker's kept profile", &kept());
}
