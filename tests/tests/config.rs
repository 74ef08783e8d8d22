//! `--config`: a configuration that is not the bundle's own.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Bundle, Case, Cmd};
use serde_json::Value;

/// Moves the bundle's configuration to the case's folder.
fn moved(case: &Case, bundle: &Bundle) {
    bundle.write();
    fs::rename(bundle.path.join("config.json"), case.dir.join("other.json")).unwrap();
}

fn run(case: &Case, bundle: &Bundle, flag: &[&str]) -> Cmd {
    let run = case.coble().cwd(&case.dir).arg("run").args(flag).arg("--bundle").arg(&bundle.path);
    run.arg(&case.id)
}

#[test]
fn the_path_is_the_callers_and_the_rest_the_bundles() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.sh("echo other; exit 7");
    moved(&case, &bundle);
    // A configuration that must not be read.
    fs::write(bundle.path.join("config.json"), "broken").unwrap();
    for flag in [["--config", "other.json"], ["-f", "other.json"]] {
        let output = run(&case, &bundle, &flag).output().exits(7);
        assert_eq!(output.stdout, "other\n");
    }
    let absolute = case.dir.join("other.json");
    let create = case.coble().args(["create", "--config"]).arg(&absolute).arg("-b");
    create.arg(&bundle.path).arg(&case.id).output().ok();
    assert_eq!(case.state()["bundle"], bundle.path.to_str().unwrap());
}

#[test]
fn errors_name_that_file() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["cwd"] = "relative".into();
    moved(&case, &bundle);
    let words = ["other.json: /process/cwd: Cwd must be an absolute path"];
    case.refuses(run(&case, &bundle, &["--config", "other.json"]), &words);
    let words = ["JSON specification file none.json not found"];
    case.refuses(run(&case, &bundle, &["--config", "none.json"]), &words);
}

#[test]
fn plan_takes_it_too() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.args(&["a-program-of-its-own"]);
    moved(&case, &bundle);
    let plan = case.bare().cwd(&case.dir).args(["plan", "--json", "--config", "other.json", "-b"]);
    let plan = plan.arg(&bundle.path).output().stdout();
    let steps: Value = serde_json::from_str(&plan).unwrap();
    assert!(steps.to_string().contains("a-program-of-its-own"));
}
