//! Filters are those of the C library, and cost a call no more: profiles of engines, as they write them.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod compare;
mod engines;
mod library;
mod steps;

#[path = "../../../crates/seccomp/benches/compile/docker.rs"]
mod docker;

use coble_seccomp::Arch;
use coble_spec::Seccomp;

fn kept() -> [(&'static str, Seccomp); 2] {
    docker::profiles().map(|(name, text)| (name, serde_json::from_str(&text).unwrap()))
}

#[test]
fn kept_profiles() {
    for (_, section) in kept() {
        assert!(section.architectures.len() == 3 && section.syscalls.len() > 3, "{section:?}");
        println!("unknown to the library: {:?}", compare::compare(&section, Arch::X86_64));
    }
}

/// The profiles say nothing of where they are loaded.
#[test]
fn the_same_profiles_elsewhere() {
    let archs = compare::archs();
    assert!(archs.len() >= 17, "{archs:?}");
    for (_, mut section) in kept() {
        section.architectures.clear();
        for &arch in &archs {
            println!("{} {:?}", arch.name(), compare::compare(&section, arch));
        }
    }
}

#[test]
fn steps_are_fewer_than_the_librarys() {
    for (name, section) in kept() {
        steps::are_fewer_than_the_librarys(name, &section);
    }
}
