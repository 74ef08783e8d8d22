//! A descriptor over a Unix socket.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::unix::net::{UnixDatagram, UnixStream};

use coble_sys::rustix::fd::{AsFd, BorrowedFd};
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// Sends `fd` beside `data`, which must not be empty, unix(7), `SCM_RIGHTS`.
///
/// # Errors
/// The kernel's.
pub(crate) fn send_fd(stream: &UnixStream, fd: BorrowedFd<'_>, data: &[u8]) -> Result<(), Errno> {
    send(stream.as_fd(), fd, data)
}

/// The same over a connected datagram socket.
///
/// # Errors
/// The kernel's.
pub(crate) fn send_datagram_fd(
    socket: &UnixDatagram,
    fd: BorrowedFd<'_>,
    data: &[u8],
) -> Result<(), Errno> {
    send(socket.as_fd(), fd, data)
}

fn send(socket: BorrowedFd<'_>, fd: BorrowedFd<'_>, data: &[u8]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); coble_sys::rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [fd];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[IoSlice::new(data)], &mut control, SendFlags::NOSIGNAL).map(drop)
}
