//! What a program has for its standard input, output and error.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use crate::error::{Error, Result};

/// Standard input, output and error of a program. One that is not given is this process's own.
///
/// Each may be shared by several programs. A program with a terminal has that, and none of these.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    /// Standard input.
    pub stdin: Option<Arc<OwnedFd>>,
    /// Standard output.
    pub stdout: Option<Arc<OwnedFd>>,
    /// Standard error.
    pub stderr: Option<Arc<OwnedFd>>,
}

impl Streams {
    /// Refuses streams that would not be used.
    pub(crate) fn check(&self, terminal: bool) -> Result<()> {
        if terminal && self.descriptors().iter().any(Option::is_some) {
            let words = "a process with a terminal can't have other streams";
            return Err(Error::config("/process/terminal", words));
        }
        Ok(())
    }

    /// In the order of their numbers.
    pub(crate) fn descriptors(&self) -> [Option<BorrowedFd<'_>>; 3] {
        [&self.stdin, &self.stdout, &self.stderr].map(|stream| stream.as_deref().map(AsFd::as_fd))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_and_a_stream_exclude_each_other() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let streams = Streams { stdin: Some(Arc::new(null.into())), ..Streams::default() };
        assert_eq!(streams.check(false), Ok(()));
        let words = "a process with a terminal can't have other streams";
        assert_eq!(streams.check(true).unwrap_err().to_string(), words);
        assert_eq!(Streams::default().check(true), Ok(()));
    }
}
