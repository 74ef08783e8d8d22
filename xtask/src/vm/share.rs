//! The folder that tells the machine what to run.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::setup::Setup;
use crate::cargo::{self, Executable};
use crate::test::harness;

/// A test program, and which of its tests.
pub(super) struct Program<'a> {
    pub(super) executable: &'a Executable,
    /// A name or a part of it; `None` for every test.
    pub(super) filter: Option<String>,
}

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
pub(super) fn write(
    folder: &Path,
    setup: Setup,
    binary: &Path,
    programs: &[Program<'_>],
    cpus: usize,
) -> std::io::Result<()> {
    let put = |name: &str, text: &str| fs::write(folder.join(name), text);
    for (name, text) in SCRIPTS {
        put(name, text)?;
    }
    put("cgroups", setup.cgroups.name())?;
    if setup.systemd {
        put("systemd", "")?;
    }
    let (coble, deadline) = (quoted(binary), harness::DEADLINE.as_secs());
    put("settings", &format!("COBLE={coble}\nDEADLINE={deadline}\n"))?;
    let shares =
        folders(binary).into_iter().map(|(tag, path)| format!("{tag} {}\n", path.display()));
    put("shares", &shares.collect::<String>())?;
    let mut text = String::new();
    for Program { executable, filter } in programs {
        let Executable { name, package, path, .. } = executable;
        let (package, path) = (quoted(package), quoted(path));
        // Writing to a string doesn't fail.
        let _ = write!(text, "program {name} {package} {path} --show-output --test-threads {cpus}");
        let _ = match filter {
            Some(filter) => writeln!(text, " {}", quoted(Path::new(filter))),
            None => writeln!(text),
        };
    }
    put("programs", &text)
}

/// A word for the shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_stays_one() {
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
