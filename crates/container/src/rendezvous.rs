//! The socket on which a container waits for `start`.

use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};

use coble_plan::{MESSAGE_MAX, Message};
use coble_sys::rustix::fd::{AsFd, BorrowedFd};

use crate::error::{Error, Result};
use crate::explain::explain_late;
use crate::store::Entry;

/// The container's end.
#[derive(Debug)]
pub(crate) struct Listener(UnixListener);

impl Listener {
    /// Binds the socket.
    pub(crate) fn bind(entry: &Entry) -> Result<Self> {
        let path = entry.socket_path("start");
        UnixListener::bind(&path).map(Self).map_err(|error| Error::at("bind", path, error))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Starts a waiting container and waits until its program runs.
///
/// # Errors
/// What the container says when it can't run its program.
pub(crate) fn release(entry: &Entry) -> Result<()> {
    let path = entry.socket_path("start");
    let failed = |error| Error::at("connect to", "the waiting container", error);
    let mut stream = UnixStream::connect(path).map_err(failed)?;
    let mut answer = Vec::new();
    let mut limited = Read::by_ref(&mut stream).take(MESSAGE_MAX as u64);
    // The connection is closed by the exec, or after a message by the executor's end.
    match limited.read_to_end(&mut answer) {
        Ok(0) => Ok(()),
        Ok(_) => Err(match Message::decode(&answer) {
            Some(Message::Failed(failure)) => explain_late(&failure),
            _ => Error::new("the container can't be understood"),
        }),
        Err(error) => Err(failed(error)),
    }
}
