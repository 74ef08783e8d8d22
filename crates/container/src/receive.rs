//! What comes over a Unix socket from an executor.

use std::mem::MaybeUninit;

use coble_sys::rustix::cmsg_space;
use coble_sys::rustix::fd::{BorrowedFd, OwnedFd};
use coble_sys::rustix::io::{Errno, IoSliceMut};
use coble_sys::rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use coble_sys::rustix::process::Pid;

/// A message, or what there is of it.
#[derive(Debug)]
pub(crate) struct Received {
    /// Bytes; 0 if the other end is closed.
    pub(crate) length: usize,
    /// What came along.
    pub(crate) descriptor: Option<OwnedFd>,
    /// Who has sent it, if the socket asks for that (`SO_PASSCRED`, unix(7)).
    pub(crate) sender: Option<Pid>,
}

/// Waits for a message.
///
/// # Errors
/// As recvmsg(2), but for `EINTR`.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> Result<Received, Errno> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1), ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let length = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
            Ok(message) => break message.bytes,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    };
    let (mut descriptor, mut sender) = (None, None);
    for message in control.drain() {
        match message {
            RecvAncillaryMessage::ScmRights(mut received) => descriptor = received.next(),
            RecvAncillaryMessage::ScmCredentials(received) => sender = Some(received.pid),
            _ => {}
        }
    }
    Ok(Received { length, descriptor, sender })
}
