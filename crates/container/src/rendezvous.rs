//! The socket on which a container waits for `start`.

use std::io::{ErrorKind, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use coble_cgroup::Cgroup;

use coble_plan::{MESSAGE_MAX, Message};
use coble_sys::rustix::fd::{AsFd, BorrowedFd};

use crate::error::{Error, Result};
use crate::explain::explain_late;
use crate::store::Entry;

/// After that long it is looked whether the container can answer at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

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
/// What the container says when it can't run its program; its cgroup, or one above it, is frozen.
pub(crate) fn release(entry: &Entry, cgroup: &Cgroup) -> Result<()> {
    let path = entry.socket_path("start");
    let failed = |error| Error::at("connect to", "the waiting container", error);
    let mut stream = UnixStream::connect(path).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let mut answer = Vec::new();
    // The connection is closed by the exec, or after a message by the executor's end.
    loop {
        let length = (MESSAGE_MAX - answer.len()) as u64;
        match Read::by_ref(&mut stream).take(length).read_to_end(&mut answer) {
            Ok(_) => break,
            // A hook may take its time.
            Err(error) if error.kind() == ErrorKind::WouldBlock => refuse_held(cgroup)?,
            Err(error) => return Err(failed(error)),
        }
    }
    match Message::decode(&answer) {
        _ if answer.is_empty() => Ok(()),
        Some(Message::Failed(failure)) => Err(explain_late(&failure)),
        _ => Err(Error::new("the container can't be understood")),
    }
}

/// What is held says nothing, however long one waits.
///
/// # Errors
/// It is held.
pub(crate) fn refuse_held(cgroup: &Cgroup) -> Result<()> {
    match cgroup.frozen_by() {
        Some(dir) => Err(Error::new(format!(
            "the container starts only once this cgroup, which was frozen from outside, is thawed: {dir}"
        ))),
        None => Ok(()),
    }
}
