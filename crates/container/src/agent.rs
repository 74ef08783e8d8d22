//! The agent that gets the listener of a filter and answers its notifications, seccomp_unotify(2).

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use coble_sys::rustix::fd::BorrowedFd;
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::net::sockopt::{Timeout, set_socket_timeout};
use coble_sys::rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::send_fd::send_fd;

/// How long an agent that has much to do is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who answers notifications: `listenerPath` and `listenerMetadata` (config-linux.md, "Seccomp").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) path: String,
    pub(crate) metadata: String,
}

impl Agent {
    /// Hands it the listener of a process, with the container's state as hooks read it (config-linux.md, "The Container
    /// Process State").
    ///
    /// # Errors
    /// Nobody listens there, or it doesn't take what is sent.
    pub(crate) fn send(&self, listener: BorrowedFd<'_>, pid: i32, state: &str) -> Result<()> {
        let state: Value =
            serde_json::from_str(state).map_err(|error| Error::new(error.to_string()))?;
        let mut message = json!({
            "ociVersion": state["ociVersion"], "fds": ["seccompFd"], "pid": pid, "state": state,
        });
        if !self.metadata.is_empty() {
            message["metadata"] = self.metadata.as_str().into();
        }
        send_fd(&self.connect()?, listener, message.to_string().as_bytes()).map_err(|errno| {
            Error::at("send the listener to the seccomp agent at", &self.path, errno)
        })
    }

    /// # Errors
    /// There is no socket.
    pub(crate) fn look_for(&self) -> Result<()> {
        std::fs::metadata(&self.path).map(drop).map_err(|error| self.absent(error))
    }

    fn connect(&self) -> Result<UnixStream> {
        let address =
            SocketAddrUnix::new(Path::new(&self.path)).map_err(|errno| self.absent(errno))?;
        let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
        let connected = socket_with(family, kind, SocketFlags::CLOEXEC, None).and_then(|socket| {
            set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
            connect(&socket, &address).map(|()| socket)
        });
        match connected {
            Ok(socket) => Ok(UnixStream::from(socket)),
            Err(Errno::AGAIN) => Err(Error::new(format!(
                "the seccomp agent at {} takes no connection within {} s",
                self.path,
                PATIENCE.as_secs()
            ))),
            Err(errno) => Err(self.absent(errno)),
        }
    }

    fn absent(&self, error: impl Into<std::io::Error>) -> Error {
        Error::at("connect to the seccomp agent at", &self.path, error)
    }
}

/// A filter told of its listener, and nobody is named who takes it.
pub(crate) fn none() -> Error {
    Error::new("the filter has a listener, but no agent")
}
