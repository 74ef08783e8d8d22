//! The programs in `examples/`, as a reader runs them.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::path::{Path, PathBuf};
use std::process::Command;

use coble_tests::{Case, skip};
use serde_json::{Value, json};

/// Builds the examples in the profile of the test itself, and returns the path of one.
fn example(name: &str) -> Option<PathBuf> {
    let cargo = Path::new(env!("CARGO"));
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("Cargo.toml");
    if !cargo.exists() || !manifest.exists() {
        skip("the examples can't be built without cargo and their source");
        return None;
    }
    let is_release = std::env::current_exe().unwrap().iter().any(|part| part == "release");
    let built = Command::new(cargo)
        .current_dir(manifest.parent().unwrap())
        .args(["build", "--quiet", "--package", "coble-container", "--example", name])
        .args(["--profile", if is_release { "release" } else { "dev" }])
        .arg("--message-format=json-render-diagnostics")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8(built.stdout).unwrap();
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_it =
            message["target"]["name"] == name && message["target"]["kind"] == json!(["example"]);
        is_it.then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    assert!(executable.is_some(), "no {name} was built: {messages}");
    executable
}

#[test]
fn run_prints_how_the_program_ended() {
    let Some(case) = Case::root() else { return };
    let Some(program) = example("run") else { return };
    let mut bundle = case.bundle();
    bundle.sh("echo from inside; exit 3").write();
    let text = case.tool(program.to_str().unwrap()).arg(&bundle.path).output().stdout();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.contains(&"from inside") && lines.contains(&"exit status: 3"), "{text}");
    assert!(text.contains("the container runs as process "), "{text}");
    let missing = case.tool(program.to_str().unwrap()).arg(case.dir.join("none")).output();
    let _ = missing.refused(&["open the bundle", "no such file or directory"]);
}

#[test]
fn exec_shows_what_each_command_writes() {
    let Some(case) = Case::root() else { return };
    let Some(program) = example("exec") else { return };
    let bundle = case.bundle();
    let text = case
        .tool(program.to_str().unwrap())
        .arg(bundle.rootfs())
        .args(["hostname", "no-such-program", "echo a  b"])
        .output()
        .stdout();
    let missing = "unable to start container process: exec: \"no-such-program\": executable file not found in \
                   $PATH";
    let expected = format!("hostname: runc\nno-such-program: {missing}\necho a  b: a b\n");
    assert_eq!(text, expected);
}

#[test]
fn ps_lists_containers_with_their_processes() {
    let Some(case) = Case::root() else { return };
    let Some(program) = example("ps") else { return };
    let mut bundle = case.bundle();
    bundle.config["process"]["args"] = json!(["sleep", "1000000"]);
    case.detach(&bundle);
    let text = case.tool(program.to_str().unwrap()).arg(case.state_root()).output().stdout();
    let line = text.lines().nth(1).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[..3], [case.id.as_str(), "running", "1"], "{text}");
    case.delete_force();
}
