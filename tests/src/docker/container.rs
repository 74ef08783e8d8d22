//! A container that runs in the background.

use super::client::Docker;
use crate::cmd::Cmd;
use crate::output::Output;
use crate::wait;

/// A container of a test.
#[derive(Debug)]
pub struct Container<'a> {
    docker: &'a Docker,
    /// Docker's id: 64 hexadecimal digits.
    pub id: String,
}

impl<'a> Container<'a> {
    pub(super) fn new(docker: &'a Docker, id: &str) -> Self {
        Self { docker, id: id.to_owned() }
    }

    /// `docker WORDS... ID`
    #[must_use]
    pub fn verb(&self, words: &[&str]) -> Output {
        self.docker.cli(words).arg(&self.id).output()
    }

    /// `docker exec FLAGS... ID ARGS...`, ready to be run.
    #[must_use]
    pub fn exec_cmd(&self, flags: &[&str], args: &[&str]) -> Cmd {
        self.docker.cli(&["exec"]).args(flags).arg(&self.id).args(args)
    }

    /// `docker exec FLAGS... ID ARGS...` to its end.
    #[must_use]
    pub fn exec(&self, flags: &[&str], args: &[&str]) -> Output {
        self.exec_cmd(flags, args).output()
    }

    /// The same on a terminal: for [`crate::Terminal::run`].
    #[must_use]
    pub fn exec_on_terminal(&self, flags: &[&str], args: &[&str]) -> Cmd {
        self.docker.on_terminal().arg("exec").args(flags).arg(&self.id).args(args)
    }

    /// What `sh -c SCRIPT` prints in the container, which must work; without the white space around it.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    #[must_use]
    pub fn sh(&self, script: &str) -> String {
        self.exec(&[], &["sh", "-c", script]).stdout().trim().to_owned()
    }

    /// One thing that `docker inspect` tells, as a Go template.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    #[must_use]
    pub fn inspect(&self, format: &str) -> String {
        self.verb(&["inspect", "--format", format]).stdout().trim().to_owned()
    }

    /// Waits for its end and gives the exit status that Docker recorded.
    ///
    /// # Panics
    /// When it doesn't end.
    #[track_caller]
    #[must_use]
    pub fn wait(&self) -> String {
        self.verb(&["wait"]).stdout().trim().to_owned()
    }

    /// What there is of it on the host: processes, cgroups and the runtime's state; one line each,
    /// which begins with the kind.
    #[must_use]
    pub fn traces(&self) -> Vec<String> {
        self.docker.traces(&self.id)
    }

    /// What it has printed so far, standard output and standard error.
    #[must_use]
    pub fn logs(&self) -> Output {
        self.verb(&["logs"])
    }

    /// Waits for its standard output to contain `text`.
    ///
    /// # Panics
    /// When it doesn't by the deadline.
    #[track_caller]
    pub fn says(&self, text: &str) {
        wait::until(format!("the container says {text}"), || self.logs().stdout.contains(text));
    }
}
