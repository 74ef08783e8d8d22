//! Plans of configurations as engines write them, compared with those that were looked through before.
//!
//! Where a change of a plan is meant, `COBLE_BLESS=1 cargo test -p coble-container` writes the files anew.

use std::fs;

use super::*;
use crate::example::{ExampleHost, example};
use crate::plan::printed;

/// Where the plans are, next to the configurations that no engine's tests have.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests-data");
const DOCKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data");

/// Compares plans, and collects what differs.
struct Snapshots {
    bless: bool,
    seen: Vec<String>,
    differences: String,
}

impl Snapshots {
    fn new() -> Self {
        let bless = std::env::var_os("COBLE_BLESS").is_some_and(|value| value == "1");
        Self { bless, seen: Vec::new(), differences: String::new() }
    }

    fn check(&mut self, name: &str, case: &Case) {
        assert_eq!(crate::validate(&case.spec), Ok(()), "{name}");
        let text = case.job(printed).unwrap().to_string();
        assert_eq!(coble_plan::verify(&case.launch().plan), Ok(()), "{name}");
        let path = format!("{FOLDER}/plans/{name}.txt");
        if self.bless {
            fs::write(&path, &text).unwrap();
        }
        let recorded = fs::read_to_string(&path).unwrap_or_default();
        if recorded != text {
            self.differences += &format!("\n{path}\n{}", difference(&recorded, &text));
        }
        self.seen.push(format!("{name}.txt"));
    }

    fn finish(mut self) {
        let files = fs::read_dir(format!("{FOLDER}/plans")).unwrap();
        let mut found: Vec<String> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        self.seen.sort();
        assert!(
            self.differences.is_empty(),
            "plans have changed (COBLE_BLESS=1 keeps the new ones):\n{}",
            self.differences
        );
        assert_eq!(found, self.seen, "plans without a configuration");
    }
}

/// The lines that only `old` (-) or only `new` (+) has, by their longest common sequence.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut common = vec![vec![0; new.len() + 1]; old.len() + 1];
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            common[i][j] = if one == other {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            text += &format!("- {}\n", old[i]);
            i += 1;
        } else {
            text += &format!("+ {}\n", new[j]);
            j += 1;
        }
    }
    text
}

fn read(path: &Path) -> Spec {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    coble_spec::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn case(spec: Spec, facts: Facts) -> Case {
    let options = Options { await_start: true, ..Options::default() };
    Case { spec, facts, options, sources: Vec::new() }
}

/// The whole configurations of Docker, by name.
fn docker() -> Vec<(String, Spec)> {
    let mut found: Vec<(String, Spec)> = fs::read_dir(DOCKER)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
            (name.starts_with("docker-") && !name.contains("-exec-")).then(|| (name, read(&path)))
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    assert!(found.len() > 10);
    found
}

#[test]
fn plans_are_as_recorded() {
    let mut snapshots = Snapshots::new();
    for (name, spec) in docker() {
        let host = if name.ends_with("-cgroup2") { UNIFIED } else { LEGACY };
        snapshots.check(&name, &case(spec, root_on(host)));
    }
    for (name, host) in [("legacy", LEGACY), ("hybrid", HYBRID), ("cgroup2", UNIFIED)] {
        let spec = example(ExampleHost { rootless: None, cgroup2: host == UNIFIED });
        snapshots.check(&format!("example-{name}"), &case(spec, root_on(host)));
    }
    let rootless = example(ExampleHost { rootless: Some((1000, 1001)), cgroup2: true });
    snapshots.check("example-rootless", &case(rootless, user_on(UNIFIED)));
    let inside = Facts { is_initial_user_namespace: false, ..root_on(UNIFIED) };
    for (name, facts) in [
        ("podman", root_on(UNIFIED)),
        ("podman-rootless", inside),
        ("containerd-pod", root_on(UNIFIED)),
        ("containerd-app", root_on(UNIFIED)),
        ("containerd-app-user", root_on(UNIFIED)),
        ("cri-o", root_on(UNIFIED)),
    ] {
        let spec = read(Path::new(&format!("{FOLDER}/configs/{name}.json")));
        snapshots.check(name, &case(spec, facts));
    }
    snapshots.finish();
}

#[test]
fn differences_are_those_of_lines() {
    assert_eq!(difference("a\nb\nc\n", "a\nc\nd\n"), "- b\n+ d\n");
    assert_eq!(difference("", "a\n"), "+ a\n");
    assert_eq!(difference("a\nb", "b"), "- a\n");
    assert_eq!(difference("a", "a"), "");
}
