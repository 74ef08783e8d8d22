//! The folder that tells the machine what to run.

use std::fs;
use std::path::{Path, PathBuf};

use super::job::{Job, Program};
use super::setup::Setup;
use crate::cargo;
use crate::test::harness;

/// The scripts of the machine, by name.
const SCRIPTS: [(&str, &str); 4] = [
    ("boot", include_str!("guest/boot")),
    ("run", include_str!("guest/run")),
    ("tests", include_str!("guest/tests")),
    ("vm.service", include_str!("guest/vm.service")),
];

/// Folders of this machine that have the same path in the virtual one: the source, and what was built if that is
/// elsewhere. Each with the tag of its share.
pub(super) fn folders(binary: &Path) -> Vec<(String, PathBuf)> {
    let mut folders = vec![("source".to_owned(), cargo::workspace().to_owned())];
    // The build folder holds a file of this name (The Cargo Book, "Build cache").
    let built = binary.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    if let Some(built) = built.filter(|built| !built.starts_with(cargo::workspace())) {
        folders.push(("build".to_owned(), built.to_owned()));
    }
    folders
}

/// Writes the folder.
pub(super) fn write(folder: &Path, setup: Setup, job: &Job<'_>) -> std::io::Result<()> {
    let put = |name: &str, text: &str| fs::write(folder.join(name), text);
    for (name, text) in SCRIPTS {
        put(name, text)?;
    }
    put("cgroups", setup.cgroups.name())?;
    if setup.systemd {
        put("systemd", "")?;
    }
    if setup.systemd && job.plain {
        put("plain", "")?;
    }
    let (coble, deadline) = (quoted_path(job.binary), harness::DEADLINE.as_secs());
    put("settings", &format!("COBLE={coble}\nDEADLINE={deadline}\n{}", variables(job.variables)))?;
    let shares =
        folders(job.binary).into_iter().map(|(tag, path)| format!("{tag} {}\n", path.display()));
    put("shares", &shares.collect::<String>())?;
    put("programs", &job.programs.iter().map(line).collect::<String>())
}

/// A program for the shell.
fn line(program: &Program) -> String {
    let Program { name, folder, file, args, user } = program;
    let mut line = user.map_or(String::new(), |user| format!("[ \"$user\" != {user} ] || "));
    line.push_str(&format!("program {name} {} {}", quoted_path(folder), quoted_path(file)));
    for arg in args {
        line.push(' ');
        line.push_str(&quoted(arg));
    }
    line.push('\n');
    line
}

fn quoted_path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// The variables of the environment that the tests ask for; of two of a name the last one counts.
fn variables(given: &[(&str, &str)]) -> String {
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let ours = std::env::vars().filter(|(name, _)| name.starts_with("COBLE_"));
    let all = given.chain(ours);
    all.map(|(name, value)| format!("export {name}={}\n", quoted(&value))).collect()
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_stays_one() {
        assert_eq!(quoted_path(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }

    #[test]
    fn a_program_is_one_line() {
        let program = Program {
            name: "x".into(),
            folder: "/a b".into(),
            file: "/c".into(),
            args: vec!["d e".into(), String::new()],
            user: None,
        };
        assert_eq!(line(&program), "program x '/a b' '/c' 'd e' ''\n");
    }
}
