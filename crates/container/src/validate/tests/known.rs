//! Configurations that tools of the field have written.

use std::fs;
use std::path::Path;

use super::*;

/// The files of a folder of this repository, by name.
fn files(folder: &str) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found: Vec<(String, Value)> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let text = fs::read(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::from_slice(&text).unwrap())
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    assert!(!found.is_empty(), "{}", folder.display());
    found
}

/// Whole configurations, without the processes of an exec.
pub(super) fn configurations() -> Vec<(String, Value)> {
    let mut all = files("../../tests/data");
    all.extend(files("src/example"));
    all.retain(|(_, value)| value.get("ociVersion").is_some());
    all
}

#[test]
fn engines_and_examples_pass() {
    let configurations = configurations();
    assert!(configurations.len() > 10);
    for (name, value) in configurations {
        assert_eq!(check(&value), Ok(()), "{name}");
    }
}

#[test]
fn processes_of_engines_pass() {
    let processes =
        files("../../tests/data").into_iter().filter(|(name, _)| name.contains("-exec-"));
    let mut count = 0;
    for (name, value) in processes {
        assert_eq!(validate_process(&serde_json::from_value(value).unwrap()), Ok(()), "{name}");
        count += 1;
    }
    assert!(count > 0);
}
