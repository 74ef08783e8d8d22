//! Containers that the distribution's runc has made, in coble's care, and back again.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod damaged;
mod exec;
mod lifecycle;
mod limits;
mod setups;
mod systemd;

use std::fs;
use std::path::Path;

use coble_tests::{Bundle, Case, Cmd, skip};
use serde_json::Value;

/// A case as root on a machine with runc; `None`, reported as skipped, elsewhere.
fn root() -> Option<Case> {
    has_runc().then(Case::root).flatten()
}

/// The same as a plain user.
fn plain() -> Option<Case> {
    has_runc().then(Case::plain).flatten()
}

fn has_runc() -> bool {
    let there = ["/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc", "/usr/local/bin/runc"]
        .iter()
        .any(|path| Path::new(path).exists());
    if !there {
        skip("runc isn't installed");
    }
    there
}

/// runc with the case's state root.
fn runc(case: &Case) -> Cmd {
    case.tool("runc").arg("--root").arg(case.state_root())
}

/// `runc VERB FLAGS... --bundle BUNDLE ID`, after writing the bundle's configuration.
fn make(case: &Case, words: &[&str], bundle: &Bundle) -> Cmd {
    bundle.write();
    runc(case).args(words).arg("--bundle").arg(&bundle.path).arg(&case.id)
}

/// `runc VERB ARGS... ID`
fn verb(case: &Case, words: &[&str]) -> Cmd {
    runc(case).args(words).arg(&case.id)
}

/// A container of runc that sleeps, and its bundle.
fn running(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    bundle.writable().sh("sleep 1000");
    make(case, &["run", "--detach"], &bundle).output().ok();
    bundle
}

/// The text of runc's `state.json`.
fn recorded(case: &Case) -> String {
    fs::read_to_string(case.state_root().join(&case.id).join("state.json")).unwrap()
}

/// What `runc state` says, with the owner, whose name runc 1.1 leaves empty here (but not in `list`).
fn state(case: &Case) -> Value {
    let mut state: Value = serde_json::from_str(&verb(case, &["state"]).output().stdout()).unwrap();
    state["owner"] = case.state()["owner"].clone();
    state
}
