//! `plan`: what `create` would do, without doing it.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use coble_tests::{Bundle, Case, Cmd};
use serde_json::Value;

fn plan(case: &Case, bundle: &Bundle, flags: &[&str]) -> Cmd {
    bundle.write();
    case.coble().arg("plan").args(flags).arg("--bundle").arg(&bundle.path)
}

/// Every file below `folder` with its time of change.
fn files(folder: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                folders.push(entry.path());
            }
            files.insert(entry.path(), meta.modified().unwrap());
        }
    }
    files
}

/// The number that a line of the plan begins with.
fn number(line: &str) -> Option<usize> {
    let digits: String = line.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[test]
fn steps_are_numbered_and_say_where_they_come_from() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.mount("tmpfs", "tmpfs", "/srv/data", &["size=1m"]);
    let text = plan(&case, &bundle, &[]).output().stdout();
    let numbers: Vec<usize> = text.lines().filter_map(number).collect();
    assert!(numbers.len() > 20, "{text}");
    let expected: Vec<usize> = (numbers[0]..numbers[0] + numbers.len()).collect();
    assert_eq!(numbers, expected, "{text}");
    let line = |words: &[&str]| {
        let found = text.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "no step with {words:?}:\n{text}");
    };
    line(&["/mounts/7", "/srv/data"]);
    line(&["/mounts/0", "/proc"]);
    line(&["/hostname"]);
    line(&["/process/rlimits/0"]);
    line(&["/linux/maskedPaths/2", "/proc/kcore"]);
    line(&["/linux/readonlyPaths"]);
    line(&["/process/capabilities"]);
    line(&["/root"]);
}

#[test]
fn json_has_the_same_steps() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    let text = plan(&case, &bundle, &[]).output().stdout();
    let json = plan(&case, &bundle, &["--json"]).output().stdout();
    let json: Value = serde_json::from_str(&json).unwrap();
    let steps = json["steps"].as_array().or_else(|| json.as_array()).expect("a list of steps");
    assert_eq!(steps.len(), text.lines().filter_map(number).count());
    let text = json.to_string();
    assert!(text.contains("/mounts/0") && text.contains("/linux/maskedPaths"), "{text}");
}

#[test]
fn the_order_is_that_of_the_configuration() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    let text = plan(&case, &bundle, &[]).output().stdout();
    let places: Vec<usize> = (0..7)
        .map(|nth| text.find(&format!("/mounts/{nth}")).expect("a step for the mount"))
        .collect();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn it_changes_nothing() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let ran = case.dir.join("ran");
    for kind in ["prestart", "createRuntime", "createContainer", "startContainer", "poststop"] {
        bundle.hook(kind, &format!("echo > {}", ran.display()));
    }
    bundle.config["process"]["cwd"] = "/made/by/nobody".into();
    bundle.write();
    let before = files(&bundle.path);
    let plan = || case.coble().arg("plan").arg("--bundle").arg(&bundle.path);
    plan().output().ok();
    plan().arg("--json").output().ok();
    assert_eq!(files(&bundle.path), before);
    assert!(!ran.exists(), "a hook ran");
    case.assert_clean();
}

#[test]
fn a_plain_user_can_read_a_plan() {
    let Some(case) = Case::plain() else { return };
    let bundle = case.bundle();
    let text = plan(&case, &bundle, &[]).output().stdout();
    assert!(text.lines().filter_map(number).count() > 20, "{text}");
    case.assert_clean();
}

#[test]
fn the_bundle_is_the_current_folder_by_default() {
    let Some(case) = Case::root() else { return };
    let bundle = case.bundle();
    bundle.write();
    let here = case.coble().arg("plan").cwd(&bundle.path).output().stdout();
    assert_eq!(here, plan(&case, &bundle, &[]).output().stdout());
}

#[test]
fn what_create_refuses_has_no_plan() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["cwd"] = "relative".into();
    case.refuses(plan(&case, &bundle, &[]), &["Cwd must be an absolute path"]);
    bundle.write_text("{");
    let broken = case.coble().arg("plan").arg("--bundle").arg(&bundle.path);
    case.refuses(broken, &["config.json", "line 1", "column 1"]);
    let missing = case.coble().args(["plan", "--bundle"]).arg(case.dir.join("missing"));
    case.refuses(missing, &["missing"]);
}
