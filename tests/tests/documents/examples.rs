//! The examples of docs/seccomp.md that take no container print what the document shows.

use std::os::unix::fs::symlink;

use coble_seccomp::{Arch, DEFAULT};
use coble_tests::{Case, skip};
use rustix::process::geteuid;
use serde_json::{Value, json};

const DOCUMENT: &str = include_str!("../../../docs/seccomp.md");

/// The bundle of the examples, which is in the case's folder here.
const BUNDLE: &str = "/srv/web";

/// The folder of the case where `coble` is.
const BIN: &str = "bin";

/// Commands that take no container.
const PURE: [&str; 5] = ["check", "explain", "diff", "convert", "disasm"];

/// What is typed, and the lines that are shown of what is printed; none if the example shows only how it is called.
struct Example {
    command: String,
    shown: Vec<String>,
}

/// Those of all fenced blocks: a command stands behind `$ `, and what it prints below.
fn examples(document: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for block in document.split("```\n").skip(1).step_by(2) {
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => {
                    examples.push(Example { command: command.to_owned(), shown: Vec::new() });
                }
                None => examples.last_mut().unwrap().shown.push(line.to_owned()),
            }
        }
    }
    examples
}

impl Example {
    fn is_pure(&self) -> bool {
        PURE.iter().any(|word| self.command.starts_with(&format!("coble seccomp {word} ")))
    }

    /// What the command prints, with the bundle of the case.
    fn run(&self, case: &Case) -> Vec<String> {
        let line = self.command.replace(BUNDLE, &BUNDLE[1..]);
        let sh = case.tool("/bin/sh").args(["-c", &line]).cwd(&case.dir);
        let path = format!("{}:/usr/bin:/bin", case.dir.join(BIN).display());
        let output = sh.env("PATH", path).output();
        // A difference is no error.
        let most = i32::from(line.starts_with("coble seccomp diff "));
        assert!(output.code.is_some_and(|code| code <= most), "{output}");
        assert_eq!(output.stderr, "", "{output}");
        output.stdout.lines().map(str::to_owned).collect()
    }
}

/// Whether the lines are those that are shown, where `...` stands for any number of them.
fn fits(shown: &[String], lines: &[String]) -> bool {
    match shown.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first.trim() == "..." => {
            (0..=lines.len()).any(|start| fits(rest, &lines[start..]))
        }
        Some((first, rest)) => lines.first() == Some(first) && fits(rest, &lines[1..]),
    }
}

/// A case with the files that the examples name.
fn case() -> Case {
    let case = Case::of_user(geteuid().as_raw());
    // The binary under test may have another name.
    symlink(case.program(), case.folder(BIN).join("coble")).unwrap();
    let section = case.coble().args(["seccomp", "convert", "default"]).output().stdout();
    let config: Value = serde_json::from_str(&section).unwrap();
    let config = json!({"ociVersion": "1.0.2", "linux": {"seccomp": config}});
    case.folder("srv");
    case.folder(&BUNDLE[1..]);
    case.file(&format!("{}/config.json", &BUNDLE[1..]), &config.to_string());
    case.file("profile.json", DEFAULT);
    for name in ["old.json", "new.json", "web.json"] {
        case.file(name, &section);
    }
    case
}

#[test]
fn examples_print_what_is_shown() {
    if Arch::NATIVE != Arch::X86_64 {
        return skip("the examples are those of x86-64");
    }
    let case = case();
    let examples = examples(DOCUMENT);
    let mut compared = 0;
    for example in &examples {
        if !example.is_pure() {
            assert!(example.command.starts_with("coble run "), "{}", example.command);
            continue;
        }
        let lines = example.run(&case);
        if !example.shown.is_empty() {
            let (shown, lines_of) = (example.shown.join("\n"), lines.join("\n"));
            let command = &example.command;
            assert!(fits(&example.shown, &lines), "{command} shows\n{shown}\nnot\n{lines_of}");
            compared += 1;
        }
    }
    assert!(compared >= 5, "{compared} of {} examples show what they print", examples.len());
}

#[test]
fn what_is_not_shown_is_noticed() {
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    let printed = lines("a\nb\nc\nd");
    for shown in ["a\nb\nc\nd", "a\n   ...\nd", "...", "a\n...\nc\nd", "a\nb\nc\nd\n..."] {
        assert!(fits(&lines(shown), &printed), "{shown}");
    }
    for shown in ["", "a\nb\nc", "a\nb\nc\nd\ne", "a\n...\nc", "b\n...", "a\n...\nx\n..."] {
        assert!(!fits(&lines(shown), &printed), "{shown}");
    }
}
