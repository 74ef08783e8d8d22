//! Who gets a pidfd of the process: a supervisor then signals and awaits it without a number that could change hands.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use coble_sys::rustix::fd::BorrowedFd;

use crate::create::Create;
use crate::error::{Error, Result};
use crate::send_fd::send_fd;

/// The annotation by which crun's callers ask for it; its value is the socket's path.
pub(crate) const RECEIVER: &str = "run.oci.pidfd_receiver";

/// What comes with the pidfd of a container's first process, as with runc.
const FIRST: &[u8] = b"standard";
/// What comes with that of an exec, as with runc.
pub(crate) const EXEC: &[u8] = b"setns";
/// What comes with it where the annotation asks, as with crun.
const ANNOTATED: &[u8] = b" ";

/// A connection to the receiver, made before the process is: without a receiver there is to be none.
#[derive(Debug)]
pub(crate) struct PidfdSocket {
    stream: UnixStream,
    path: PathBuf,
    message: &'static [u8],
}

impl PidfdSocket {
    /// Connects to those who get that of a container's first process: by the command line, and by the annotation.
    ///
    /// # Errors
    /// As [`PidfdSocket::connect`].
    pub(crate) fn all(
        create: &Create,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Vec<Self>> {
        let flag = create.pidfd_socket.as_deref().map(|path| (path, FIRST));
        let annotation = annotations.get(RECEIVER);
        let annotation = annotation.map(|path| (Path::new(path.as_str()), ANNOTATED));
        let both = flag.into_iter().chain(annotation);
        both.map(|(path, message)| Self::connect(path, message)).collect()
    }

    /// Connects to the stream socket at `path`.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(crate) fn connect(path: &Path, message: &'static [u8]) -> Result<Self> {
        let stream = UnixStream::connect(path)
            .map_err(|error| Error::at("connect to the pidfd socket", path, error))?;
        Ok(Self { stream, path: path.to_owned(), message })
    }

    /// Sends the pidfd.
    ///
    /// # Errors
    /// The receiver has gone away.
    pub(crate) fn send(&self, pidfd: BorrowedFd<'_>) -> Result<()> {
        send_fd(&self.stream, pidfd, self.message)
            .map_err(|errno| Error::at("send the pidfd to", &self.path, errno))
    }
}
