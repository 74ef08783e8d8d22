//! What a command left when it ended.

use std::fmt;

/// A finished command.
#[derive(Clone, Debug)]
pub struct Output {
    /// The command, as one would type it.
    pub command: String,
    /// Exit status, if it exited.
    pub code: Option<i32>,
    /// The signal that killed it, if one did.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Asserts exit status 0 and gives standard output.
    ///
    /// # Panics
    /// When the command failed.
    #[track_caller]
    #[must_use]
    pub fn stdout(self) -> String {
        self.ok().stdout
    }

    /// Asserts exit status 0.
    ///
    /// # Panics
    /// When the command failed.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Asserts the exit status.
    ///
    /// # Panics
    /// When it was another, or the command was killed.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Asserts what bad input gives: exit status 1, nothing on standard output, and one line on standard
    /// error that contains each of `words`.
    ///
    /// # Panics
    /// When any of it isn't so.
    #[track_caller]
    pub fn refused(self, words: &[&str]) -> Self {
        self.fails(1, words)
    }

    /// The same as [`Output::refused`] with another exit status.
    ///
    /// # Panics
    /// When any of it isn't so.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        assert_eq!(self.stdout, "", "nothing belongs on standard output\n{self}");
        assert_eq!(self.stderr.lines().count(), 1, "exactly one line of error\n{self}");
        assert!(self.stderr.ends_with('\n'), "the line has no end\n{self}");
        // A log line quotes its message.
        let said = self.stderr.replace("\\\"", "\"");
        for word in words {
            assert!(said.contains(word), "the error doesn't say `{word}`\n{self}");
        }
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "command: {}", self.command)?;
        writeln!(f, "exit status {:?}, signal {:?}", self.code, self.signal)?;
        writeln!(f, "stdout: {}", self.stdout.trim_end())?;
        write!(f, "stderr: {}", self.stderr.trim_end())
    }
}
