//! Files in the tree that are made from the table of commands, and the tests that they are current.
//!
//! `COBLE_BLESS=1 cargo test -p coble golden` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::completion::{SHELLS, script};
use crate::table::{FAMILIES, by_heading, commands};
use crate::{help, man};

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Checks that `folder` has these files and no others, or writes them.
fn check(folder: &str, files: &BTreeMap<String, String>) {
    let folder = tree().join(folder);
    if std::env::var_os("COBLE_BLESS").is_some() {
        fs::create_dir_all(&folder).expect("a folder");
        for (name, text) in files {
            fs::write(folder.join(name), text).expect("a file");
        }
    }
    let entries = fs::read_dir(&folder).expect("a folder");
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeMap<_, _> =
        names.map(|name| (name.clone(), fs::read_to_string(folder.join(name)).unwrap())).collect();
    for name in files.keys().chain(found.keys()) {
        assert_eq!(
            files.get(name),
            found.get(name),
            "{name}: run COBLE_BLESS=1 cargo test -p coble golden"
        );
    }
}

/// Says past the test runner's capture that the running test is skipped and why.
fn skip(reason: &str) {
    let name = std::thread::current().name().unwrap_or("unnamed").to_owned();
    // Nobody is left to tell if standard error is closed.
    let _ = std::io::stderr().lock().write_all(format!("\nskipped: {name}: {reason}\n").as_bytes());
}

fn completions() -> BTreeMap<String, String> {
    let names = ["coble.bash", "_coble", "coble.fish"];
    SHELLS
        .iter()
        .zip(names)
        .map(|(shell, name)| (name.to_owned(), script(shell).unwrap()))
        .collect()
}

/// Runs a program over each file of a folder; it must end well and say nothing.
fn lint(folder: &str, extension: Option<&str>, program: &str, options: &[&str]) {
    if Command::new(program).arg("--version").output().is_err() {
        return skip(&format!("{program} is not installed"));
    }
    for entry in fs::read_dir(tree().join(folder)).expect("a folder") {
        let path = entry.unwrap().path();
        if extension != path.extension().map(|extension| extension.to_str().unwrap()) {
            continue;
        }
        let mut command = Command::new(program);
        command.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "100").env("MANROFFSEQ", "");
        let output = command.args(options).arg(&path).output().expect(program);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{}: {said}", path.display());
    }
}

#[test]
fn help_texts_are_current() {
    let mut texts = BTreeMap::from([("coble.txt".to_owned(), help::of_coble())]);
    for family in FAMILIES {
        texts.insert(format!("coble-{}.txt", family.name), help::of_family(family));
    }
    for command in commands() {
        texts.insert(format!("coble-{}.txt", command.slug()), help::of_command(command));
    }
    check("crates/cli/help", &texts);
}

#[test]
fn every_command_is_described_and_has_examples() {
    for command in commands() {
        let name = command.name;
        assert!(!command.description.is_empty(), "{name} has no description");
        assert!(!command.examples.is_empty(), "{name} has no examples");
        let shows = |(_, line): &(&str, &str)| line.contains(&format!("coble {name}"));
        assert!(command.examples.iter().any(shows), "no example shows {name}");
        let lines = command.all_flags().map(|flag| flag.help).chain([command.summary]);
        lines.for_each(|line| assert!(!line.ends_with('.'), "{name}: {line}"));
    }
}

/// Whoever adds a flag to a command with many finds a place for it.
#[test]
fn where_flags_have_headings_only_a_few_have_none() {
    for command in commands() {
        let groups = by_heading(command.all_flags());
        let bare: Vec<_> = groups.iter().filter(|(heading, _)| heading.is_empty()).collect();
        let count = bare.first().map_or(0, |(_, flags)| flags.len());
        assert!(groups.len() == 1 || count <= 2, "{}: {count} flags have no heading", command.name);
    }
}

#[test]
fn manual_pages_are_current() {
    check("man", &man::pages().into_iter().collect());
}

#[test]
fn manual_pages_have_no_warnings() {
    lint("man", Some("1"), "man", &["--warnings", "-l", "-Tutf8", "-Z"]);
}

#[test]
fn completions_are_current() {
    check("completions", &completions());
}

#[test]
fn bash_understands_its_completion() {
    lint("completions", Some("bash"), "bash", &["-n"]);
}

#[test]
fn zsh_understands_its_completion() {
    lint("completions", None, "zsh", &["-n"]);
}

#[test]
fn fish_understands_its_completion() {
    lint("completions", Some("fish"), "fish", &["--no-execute"]);
}

/// What bash offers for the words of a line, the last of which is being typed.
fn offered(line: &[&str]) -> Vec<String> {
    let quoted: Vec<_> = line.iter().map(|word| format!("'{word}'")).collect();
    let program = format!(
        "source completions/coble.bash; compopt() {{ :; }}; coble() {{ echo \"$*\" | tr -d ' '; }}; \
         COMP_WORDS=({}) COMP_CWORD={}; _coble; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        line.len() - 1
    );
    let output = Command::new("bash").args(["-c", &program]).current_dir(tree()).output();
    let text = String::from_utf8(output.expect("bash").stdout).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_offers_what_fits() {
    let cases: [(&[&str], &[&str]); 16] = [
        (&["coble", "st"], &["start", "state"]),
        (&["coble", "--log-f"], &["--log-format"]),
        (&["coble", "--log-format", ""], &["text", "json"]),
        (&["coble", "--log-format", "=", "j"], &["json"]),
        (&["coble", "--root", "list", "de"], &["delete"]),
        (&["coble", "delete", "--f"], &["--force"]),
        (&["coble", "delete", "x", "--f"], &["--force"]),
        (&["coble", "delete", ""], &["list--quiet"]),
        (&["coble", "--root", "/r", "kill", ""], &["--root/rlist--quiet"]),
        (&["coble", "kill", "x", "K"], &["KILL"]),
        (&["coble", "run", "--bundle", "b", ""], &["list--quiet"]),
        (&["coble", "exec", "x", "--t"], &[]),
        (&["coble", "sec"], &["seccomp"]),
        (&["coble", "seccomp", "di"], &["diff", "disasm"]),
        (&["coble", "seccomp", "disasm", "--r"], &["--raw"]),
        (&["coble", "seccomp", "convert", "--to", "o"], &["oci"]),
    ];
    for (line, expected) in cases {
        assert_eq!(offered(line), expected, "{line:?}");
    }
}

/// Whether a shell is there to try its completion with.
fn has(shell: &str) -> bool {
    let is_there = Command::new(shell).args(["-c", "true"]).output().is_ok();
    if !is_there {
        skip(&format!("{shell} is not installed"));
    }
    is_there
}

/// An interactive zsh on a terminal of its own (zsh/zpty) that writes down what is added to its matches for the line.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty inner zsh -f -i
zpty -w inner "PS1= PS2=; setopt zle; fpath=(completions \$fpath); autoload -Uz compinit; compinit -D -u"
zpty -w inner "coble() { print -r -- \${(j::)@} }"
zpty -w inner 'compadd() { local -a hits
    if [[ ${@[1,(i)(-|--)]} != *-[ADO]* ]]; then builtin compadd -O hits "$@"; print -rl -- $hits >>'$1'; fi
    builtin compadd "$@" }'
zpty -w inner 'finish() { print -r -- end >>'$1'; BUFFER= }; zle -N finish; bindkey "^X" finish; bindkey "^I" complete-word'
zpty -w inner 'print -r -- ready >>'$1
for i in {1..400}; do [[ -s $1 ]] && break; sleep 0.05; done
zpty -w -n inner "$2"$'\t'$'\x18'
for i in {1..400}; do [[ $(tail -n 1 $1) == end ]] && break; sleep 0.05; done
zpty -d inner
"#;

fn offered_by_zsh(line: &str) -> Vec<String> {
    let name = format!("coble-zsh-{}-{}", std::process::id(), line.replace(['/', ' '], "_"));
    let file = std::env::temp_dir().join(name);
    let ended = Command::new("zsh")
        .args(["-f", "-c", ZSH, "zsh"])
        .arg(&file)
        .arg(line)
        .current_dir(tree())
        .output()
        .expect("zsh");
    let text = fs::read_to_string(&file).unwrap_or_default();
    fs::remove_file(&file).expect("what zsh has written");
    let found = text.strip_prefix("ready\n").and_then(|text| text.strip_suffix("end\n"));
    let found = found.unwrap_or_else(|| panic!("{line}: {text:?} {ended:?}"));
    found.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn zsh_offers_what_fits() {
    if !has("zsh") {
        return;
    }
    let cases: [(&str, &[&str]); 13] = [
        ("coble st", &["start", "state"]),
        ("coble --log-f", &["--log-format"]),
        ("coble --log-format ", &["text", "json"]),
        ("coble delete --f", &["--force"]),
        ("coble delete ", &["list--quiet"]),
        ("coble --root /r kill ", &["--root/rlist--quiet"]),
        ("coble kill x K", &["KILL"]),
        ("coble run --bundle b ", &["list--quiet"]),
        ("coble exec x --t", &[]),
        ("coble sec", &["seccomp"]),
        ("coble seccomp di", &["diff", "disasm"]),
        ("coble seccomp disasm --r", &["--raw"]),
        ("coble seccomp convert --to ", &["oci", "engine"]),
    ];
    for (line, expected) in cases {
        assert_eq!(offered_by_zsh(line), expected, "{line}");
    }
}

fn offered_by_fish(line: &str) -> Vec<String> {
    let script = "function coble; string join -- '' $argv; end; source completions/coble.fish; complete -C $argv[1]";
    let output = Command::new("fish").args(["-c", script, line]).current_dir(tree()).output();
    let output = output.expect("fish");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn fish_offers_what_fits() {
    if !has("fish") {
        return;
    }
    let cases: [(&str, &[&str]); 13] = [
        ("coble st", &["start", "state"]),
        ("coble --log-f", &["--log-format"]),
        ("coble --log-format ", &["json", "text"]),
        ("coble delete --f", &["--force"]),
        ("coble delete ", &["list--quiet"]),
        ("coble --root /r delete ", &["--root/rlist--quiet"]),
        ("coble --root=/r delete ", &["--root=/rlist--quiet"]),
        ("coble kill x K", &["KILL"]),
        ("coble run --bundle b ", &["list--quiet"]),
        ("coble sec", &["seccomp"]),
        ("coble seccomp di", &["diff", "disasm"]),
        ("coble seccomp disasm --r", &["--raw"]),
        ("coble seccomp convert --to ", &["engine", "oci"]),
    ];
    for (line, expected) in cases {
        assert_eq!(offered_by_fish(line), expected, "{line}");
    }
}
