//! Annotations that change what a container is: `run.oci.hooks.stdout`, `run.oci.hooks.stderr`,
//! `run.oci.keep_original_groups`.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::PermissionsExt;

use coble_tests::{Bundle, Case};
use serde_json::json;

const KINDS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// A bundle with a hook of each kind that says its name on both streams.
fn talking(case: &Case) -> Bundle {
    let mut bundle = case.bundle();
    for kind in KINDS {
        bundle.hook(kind, &format!("echo {kind} says; echo {kind} warns >&2"));
    }
    bundle
}

fn lines(word: &str) -> String {
    KINDS.iter().map(|kind| format!("{kind} {word}\n")).collect()
}

#[test]
fn hooks_write_to_the_files_that_are_named() {
    let Some(case) = Case::root() else { return };
    let mut bundle = talking(&case);
    let (out, err) = (case.dir.join("out"), case.dir.join("err"));
    bundle.config["annotations"] =
        json!({"run.oci.hooks.stdout": out, "run.oci.hooks.stderr": err});
    bundle.args(&["ls", "/proc/self/fd"]);
    // 3 is the folder that ls reads: the program has nothing of the hooks.
    assert_eq!(case.run(&bundle).output().stdout(), "0\n1\n2\n3\n");
    assert_eq!(fs::read_to_string(&out).unwrap(), lines("says"));
    assert_eq!(fs::read_to_string(&err).unwrap(), lines("warns"));
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    // A second container adds to them; its verbs are commands of their own.
    case.create(&bundle).output().ok();
    case.verb(&["start"]).output().ok();
    case.until_stopped();
    case.delete();
    assert_eq!(fs::read_to_string(&out).unwrap(), lines("says").repeat(2));
}

#[test]
fn one_stream_alone_and_both_in_one_file() {
    let Some(case) = Case::root() else { return };
    let mut bundle = talking(&case);
    let file = case.dir.join("file");
    bundle.config["annotations"] = json!({"run.oci.hooks.stderr": file});
    case.run(&bundle).output().ok();
    assert_eq!(fs::read_to_string(&file).unwrap(), lines("warns"));
    fs::remove_file(&file).unwrap();
    bundle.config["annotations"]["run.oci.hooks.stdout"] = json!(file);
    case.run(&bundle).output().ok();
    let expected: String =
        KINDS.iter().map(|kind| format!("{kind} says\n{kind} warns\n")).collect();
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
}

#[test]
fn the_program_gets_no_file_of_the_hooks() {
    let Some(case) = Case::root() else { return };
    for kinds in [&["prestart"][..], &["startContainer"], &["poststop"], &[]] {
        let mut bundle = case.bundle_at(&format!("with-{}", kinds.concat()));
        for kind in kinds {
            bundle.hook(kind, "echo");
        }
        let file = case.dir.join(format!("file-{}", kinds.concat()));
        bundle.config["annotations"] = json!({"run.oci.hooks.stdout": file});
        bundle.args(&["ls", "/proc/self/fd"]);
        assert_eq!(case.run(&bundle).output().stdout(), "0\n1\n2\n3\n", "{kinds:?}");
        assert_eq!(file.exists(), !kinds.is_empty(), "{kinds:?}");
    }
}

#[test]
fn what_a_failing_hook_says_without_a_file_stands_in_the_error() {
    let Some(case) = Case::root() else { return };
    for kind in ["createRuntime", "startContainer"] {
        let mut bundle = case.bundle_at(kind);
        let file = case.dir.join("file");
        bundle.hook(kind, "echo to the file; echo to the error >&2; exit 3");
        bundle.config["annotations"] = json!({"run.oci.hooks.stdout": file});
        let output = case.refuses(case.run(&bundle), &["exit status 3", "to the error"]);
        assert!(!output.stderr.contains("to the file"), "{output}");
    }
    assert_eq!(fs::read_to_string(case.dir.join("file")).unwrap(), "to the file\n".repeat(2));
}

#[test]
fn files_that_can_not_be_written_to() {
    let Some(case) = Case::root() else { return };
    let mut bundle = talking(&case);
    bundle.config["annotations"] = json!({"run.oci.hooks.stdout": "relative"});
    let words = ["/annotations/run.oci.hooks.stdout", "not an absolute path"];
    case.refuses(case.run(&bundle), &words);
    bundle.config["annotations"] = json!({"run.oci.hooks.stderr": "/no/such/folder/file"});
    let words = ["run.oci.hooks.stderr", "/no/such/folder/file", "no such file or directory"];
    case.refuses(case.run(&bundle), &words);
    // Hooks that clean up are run all the same.
    let folder = case.folder("goes");
    let done = case.dir.join("done");
    let mut bundle = case.bundle_at("late");
    bundle.hook("poststop", &format!("touch {}", done.to_str().unwrap()));
    bundle.config["annotations"] = json!({"run.oci.hooks.stdout": folder.join("file")});
    case.create(&bundle).output().ok();
    fs::remove_dir(&folder).unwrap();
    let deleted = case.verb(&["delete", "--force"]).output().ok();
    assert!(deleted.stderr.contains("run.oci.hooks.stdout"), "{deleted}");
    assert!(done.exists());
}

#[test]
fn the_callers_groups_stay_on_request() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    let look = ["grep", "Groups:", "/proc/self/status"];
    let with_groups = |words: &[&str]| {
        let groups = case.tool("setpriv").args(["--groups", "4,24", "--"]).arg(case.program());
        let said = groups.arg("--root").arg(case.state_root()).args(words).output().stdout();
        said.trim_start_matches("Groups:").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    bundle.args(&look);
    // Engines take further groups from the image.
    bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000, "additionalGids": [77]});
    let folder = bundle.path.to_str().unwrap().to_owned();
    for (value, expected) in [("1", "4 24"), ("true", "4 24"), ("0", "77")] {
        bundle.config["annotations"]["run.oci.keep_original_groups"] = value.into();
        bundle.write();
        assert_eq!(with_groups(&["run", "-b", &folder, &case.id]), expected, "{value}");
    }
    bundle.config["annotations"]["run.oci.keep_original_groups"] = "1".into();
    bundle.sh("sleep 1000").write();
    with_groups(&["run", "--detach", "-b", &folder, &case.id]);
    let exec = [&["exec", case.id.as_str()][..], &look].concat();
    assert_eq!(with_groups(&exec), "4 24", "exec keeps its own caller's");
}

#[test]
fn groups_stay_in_a_user_namespace_where_they_have_no_number() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    bundle.user_namespace(0, 1000);
    bundle.args(&["grep", "Groups:", "/proc/self/status"]);
    bundle.config["annotations"]["run.oci.keep_original_groups"] = "1".into();
    bundle.write();
    let groups = case.tool("setpriv").args(["--groups", "24,54321", "--"]).arg(case.program());
    let run = groups.arg("--root").arg(case.state_root()).args(["run", "-b"]);
    let said = run.arg(&bundle.path).arg(&case.id).output().stdout();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["Groups:", "24", "65534"]);
}
