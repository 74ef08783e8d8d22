//! The other end of `--console-socket`.

use std::path::{Path, PathBuf};

use crate::fd_socket::FdSocket;
use crate::pty::Terminal;

/// A listening socket that takes one terminal.
#[derive(Debug)]
pub struct ConsoleSocket {
    /// Where it listens.
    pub path: PathBuf,
    socket: FdSocket,
}

impl ConsoleSocket {
    /// Listens at `path`.
    ///
    /// # Panics
    /// When it can't.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), socket: FdSocket::new(path) }
    }

    /// The terminal's master end that the runtime sends.
    ///
    /// # Panics
    /// When none has come by the deadline, or not exactly one descriptor came.
    #[must_use]
    pub fn receive(&self) -> Terminal {
        Terminal::from_master(self.socket.receive().1)
    }
}
