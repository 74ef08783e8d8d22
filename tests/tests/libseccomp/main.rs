//! Filters are those of the C library, and cost a call no more: profiles of engines, as they write them.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod compare;
mod engines;
mod library;
mod steps;

use coble_seccomp::{Arch, default_section};
use coble_spec::Seccomp;
use serde_json::Value;

/// Docker's profile as an engine on Debian 12 writes it, and today's, without the rules that the profile `default` adds.
fn kept() -> [(&'static str, Seccomp); 2] {
    let text = include_str!("../../data/docker-20.10-seccomp.json");
    let mut config: Value = serde_json::from_str(text).unwrap();
    let former = serde_json::from_value(config["linux"]["seccomp"].take()).unwrap();
    let current = library::without_default_rules(default_section(Arch::X86_64).unwrap());
    [("docker-20.10", former), ("docker", current)]
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
