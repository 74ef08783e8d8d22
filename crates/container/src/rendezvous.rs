//! The socket on which a container waits for `start`.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use coble_cgroup::Cgroup;
use coble_plan::{LISTENED, MESSAGE_MAX, Message};
use coble_sys::rustix::fd::{AsFd, BorrowedFd};
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::net::RecvFlags;

use crate::agent;
use crate::error::{Error, Result};
use crate::explain::explain_late;
use crate::receive::{Received, receive};
use crate::state::{Record, Status};
use crate::store::Entry;
use crate::told_state::ToldState;

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

/// A container that is asked to run its program.
pub(crate) struct Waiting<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) record: &'a Record,
    pub(crate) cgroup: &'a Cgroup,
}

impl Waiting<'_> {
    /// Starts it and waits until its program runs.
    ///
    /// # Errors
    /// What the container says when it can't run its program; its cgroup, or one above it, is frozen; nobody takes the
    /// listener of its filter.
    pub(crate) fn release(&self) -> Result<()> {
        let path = self.entry.socket_path("start");
        let mut stream = UnixStream::connect(path).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let mut buffer = [0; MESSAGE_MAX];
        let mut end = 0;
        // The connection is closed by the exec, or after a message by the executor's end.
        loop {
            let Received { length, descriptor, .. } = self.hear(&stream, &mut buffer[end..])?;
            end += length;
            if length == 0 || end == buffer.len() {
                break;
            }
            // Nothing follows until it is answered.
            if let Some((Message::Listener, listener)) =
                Message::decode(&buffer[..end]).zip(descriptor)
            {
                self.hand_over(listener.as_fd())?;
                stream.write_all(&[LISTENED]).map_err(failed)?;
                end = 0;
            }
        }
        match Message::decode(&buffer[..end]) {
            _ if end == 0 => Ok(()),
            Some(Message::Failed(failure)) => Err(explain_late(&failure)),
            _ => Err(Error::new("the container can't be understood")),
        }
    }

    fn hear(&self, stream: &UnixStream, buffer: &mut [u8]) -> Result<Received> {
        loop {
            match receive(stream.as_fd(), buffer, RecvFlags::CMSG_CLOEXEC) {
                // A hook may take its time.
                Err(Errno::AGAIN) => refuse_held(self.cgroup)?,
                received => return received.map_err(failed),
            }
        }
    }

    /// Gives the listener of its filter to the agent. Whoever can't answer for its calls doesn't run.
    fn hand_over(&self, listener: BorrowedFd<'_>) -> Result<()> {
        let Self { entry, record, .. } = self;
        let agent = entry.read_filter()?.agent.ok_or_else(agent::none)?;
        let state = ToldState::of_record(record, Status::Created).text(record.init.pid);
        agent.send(listener, record.init.pid, &state)
    }
}

fn failed(error: impl Into<std::io::Error>) -> Error {
    Error::at("connect to", "the waiting container", error)
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
