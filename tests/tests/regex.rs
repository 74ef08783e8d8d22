//! `kill --regex` and `delete --regex`.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use coble_tests::{Case, wait};

fn status(case: &Case, name: &str) -> Option<String> {
    let state = case.coble().args(["list", "--format", "json"]).output().stdout();
    let all: serde_json::Value = serde_json::from_str(&state).unwrap();
    let one = all.as_array()?.iter().find(|one| one["id"] == name)?;
    Some(one["status"].as_str().unwrap().to_owned())
}

#[test]
fn all_containers_whose_names_match_are_meant_and_no_others() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["sleep", "1000"]).write();
    let names = ["web-1", "web-2", "db-1"].map(|name| format!("{}-{name}", case.id));
    for name in &names {
        let run = case.coble().args(["run", "--detach", "--bundle"]).arg(&bundle.path);
        run.arg(name).output().ok();
    }
    case.coble().args(["kill", "--regex", "web-[0-9]$", "KILL"]).output().ok();
    wait::until("two have ended", || {
        names[..2].iter().all(|name| status(&case, name).as_deref() == Some("stopped"))
    });
    assert_eq!(status(&case, &names[2]).as_deref(), Some("running"));
    // One that fails keeps the others from nothing, and is told.
    let output = case.coble().args(["delete", "--regex", "(web|db)-"]).output().exits(1);
    assert!(output.stderr.contains("cannot delete container"), "{output}");
    assert!(output.stderr.contains("1 of 3 matching containers failed"), "{output}");
    let left: Vec<_> = names.iter().map(|name| status(&case, name)).collect();
    assert_eq!(left, [None, None, Some("running".to_owned())]);
    case.coble().args(["delete", "--force", "--regex", "."]).output().ok();
    case.assert_clean();
}

#[test]
fn no_match_is_no_error_and_no_expression_is() {
    let Some(case) = Case::root() else { return };
    case.coble().args(["kill", "--regex", "x", "KILL"]).output().ok();
    case.coble().args(["delete", "--regex", "("]).output().refused(&["invalid regular expression"]);
    // Without the flag it is a name.
    case.coble().args(["delete", "."]).output().refused(&["invalid container ID format"]);
}
