//! A socket that the runtime sends descriptors to.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::wait;

/// A listening stream socket that takes one descriptor from each who connects.
#[derive(Debug)]
pub struct FdSocket {
    /// Where it listens.
    pub path: PathBuf,
    listener: UnixListener,
}

impl FdSocket {
    /// Listens at `path`.
    ///
    /// # Panics
    /// When it can't.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        listener.set_nonblocking(true).expect("a socket that doesn't block");
        Self { path: path.to_owned(), listener }
    }

    /// The message that the runtime sends, and its descriptor.
    ///
    /// # Panics
    /// When none has come by the deadline, or not exactly one descriptor came.
    #[must_use]
    pub fn receive(&self) -> (Vec<u8>, OwnedFd) {
        let stream = wait::poll(wait::DEADLINE, || self.listener.accept().ok())
            .expect("the runtime connects to the socket")
            .0;
        stream.set_nonblocking(false).expect("a socket that blocks");
        stream.set_read_timeout(Some(wait::DEADLINE)).expect("a deadline");
        let mut data = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut data)];
        let got = recvmsg(&stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
            .expect("a message on the socket");
        assert!(got.bytes > 0, "the message must have at least one byte of data");
        let mut fds: Vec<OwnedFd> = control
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(fds) => Some(fds),
                _ => None,
            })
            .flatten()
            .collect();
        assert_eq!(fds.len(), 1, "exactly one descriptor");
        (data[..got.bytes].to_vec(), fds.remove(0))
    }
}
