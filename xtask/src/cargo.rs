//! Cargo, as the chores call it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Result;

/// The workspace's folder.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// A cargo command in the workspace's folder, with the cargo that runs this program.
pub(crate) fn command<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()).args(args);
    command
}

/// One executable that a build made.
pub(crate) struct Executable {
    /// The file.
    pub(crate) path: PathBuf,
    /// The target's name: `coble`, `floor`, a test file's stem.
    pub(crate) name: String,
    /// The folder of the package that it belongs to.
    pub(crate) package: PathBuf,
    /// What it was made as: `bin`, `test` ...
    pub(crate) kind: String,
    /// Whether the test harness is built in.
    pub(crate) test: bool,
}

/// Builds and gives the executables that came out; the compiler's messages go to standard error.
pub(crate) fn build(args: &[&str]) -> Result<Vec<Executable>> {
    Ok(messages(args)?.iter().filter_map(executable).collect())
}

/// What a build tells ("JSON messages" in The Cargo Book, "External tools").
fn messages(args: &[&str]) -> Result<Vec<Value>> {
    let output = command(args.iter().copied())
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    if !output.status.success() {
        return Err(format!("cargo {}: {}", args.join(" "), output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// Reads the message "compiler-artifact".
fn executable(message: &Value) -> Option<Executable> {
    let manifest = Path::new(message["manifest_path"].as_str()?);
    Some(Executable {
        path: message["executable"].as_str()?.into(),
        name: message["target"]["name"].as_str()?.to_owned(),
        kind: message["target"]["kind"][0].as_str()?.to_owned(),
        package: manifest.parent()?.to_owned(),
        test: message["profile"]["test"].as_bool()?,
    })
}

/// Builds one package's release binaries and gives the one called `name`.
pub(crate) fn release(package: &str, name: &str) -> Result<PathBuf> {
    build(&["build", "--release", "--package", package])?
        .into_iter()
        .find(|made| made.name == name)
        .map(|made| made.path)
        .ok_or_else(|| format!("cargo built no {name}"))
}

/// The file that a package's build script names in the variable `name`, built for a release.
pub(crate) fn embedded(package: &str, name: &str) -> Result<PathBuf> {
    messages(&["build", "--release", "--package", package])?
        .iter()
        .find_map(|message| variable(message, name))
        .ok_or_else(|| format!("no build script of {package} sets {name}"))
}

/// The value that the message "build-script-executed" has for a variable.
fn variable(message: &Value, name: &str) -> Option<PathBuf> {
    let mut pairs = message["env"].as_array()?.iter();
    let pair = pairs.find(|pair| pair[0] == name)?;
    pair[1].as_str().map(PathBuf::from)
}

/// A folder of the chores' own under the build folder, made if it isn't there.
pub(crate) fn scratch(name: &str) -> Result<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let path = workspace().join(target).join("xtask").join(name);
    std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::variable;

    #[test]
    fn a_build_scripts_variable_is_found() {
        let message = json!({"reason": "build-script-executed", "env": [["A", "/a"], ["B", "/b"]]});
        assert_eq!(variable(&message, "B"), Some("/b".into()));
        assert_eq!(variable(&message, "C"), None);
        assert_eq!(variable(&json!({"reason": "compiler-artifact"}), "B"), None);
    }
}
