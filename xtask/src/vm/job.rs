//! What a machine is to do, and what came of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cargo::Executable;

/// What is run in a machine.
pub(super) struct Job<'a> {
    /// The runtime that tests drive.
    pub(super) binary: &'a Path,
    pub(super) programs: &'a [Program],
    /// Variables of their environment, which those of this process go before.
    pub(super) variables: &'a [(&'a str, &'a str)],
    /// With systemd, a plain user runs them too.
    pub(super) plain: bool,
    pub(super) deadline: Duration,
}

/// A program of this machine that is run in the virtual one.
pub(super) struct Program {
    /// What it is called in the report.
    pub(super) name: String,
    /// Where it starts.
    pub(super) folder: PathBuf,
    pub(super) file: PathBuf,
    pub(super) args: Vec<String>,
    /// The only user who runs it, `root` or `plain`; `None` for whoever there is.
    pub(super) user: Option<&'static str>,
}

/// What a machine printed.
pub(super) struct Ran {
    pub(super) text: String,
    /// Why it didn't get to its end.
    pub(super) fault: Option<String>,
}

impl Program {
    /// The tests of a program whose names have `filter` in them, or all of them, `threads` at a time.
    pub(super) fn test(executable: &Executable, filter: Option<&str>, threads: usize) -> Self {
        let mut args = vec!["--show-output".into(), "--test-threads".into(), threads.to_string()];
        args.extend(filter.map(str::to_owned));
        Self {
            name: executable.name.clone(),
            folder: executable.package.clone(),
            file: executable.path.clone(),
            args,
            user: None,
        }
    }
}
