//! Who gets the container's terminal.

use std::os::unix::net::UnixStream;
use std::path::Path;

use coble_sys::rustix::fd::{AsFd, OwnedFd};

use crate::error::{Error, Result};
use crate::relay::Relay;
use crate::send_fd::send_fd;

/// Checks that somebody takes the terminal, if there is one, and that nobody waits for it otherwise.
///
/// # Errors
/// A terminal without a taker, or a socket without a terminal.
pub(crate) fn check_console(terminal: bool, socket: Option<&Path>, foreground: bool) -> Result<()> {
    match (terminal, socket) {
        (true, None) if !foreground => Err(Error::new(
            "cannot allocate tty if coble will detach without setting console socket",
        )),
        (true, Some(_)) if foreground => {
            Err(Error::new("cannot use console socket if coble will not detach or allocate tty"))
        }
        (false, Some(_)) => {
            Err(Error::new("cannot use console socket if coble will not detach or allocate tty"))
        }
        _ => Ok(()),
    }
}

/// Hands the terminal to who takes it: a relay, if there is no socket.
///
/// # Errors
/// Nobody listens there; the caller's own terminal can't be set up.
pub(crate) fn hand_over(console: OwnedFd, socket: Option<&Path>) -> Result<Option<Relay>> {
    match socket {
        Some(socket) => send_console(socket, console).map(|()| None),
        None => Relay::begin(console).map(Some),
    }
}

/// Sends the terminal's master over a Unix socket, with its name as the data.
fn send_console(socket: &Path, console: OwnedFd) -> Result<()> {
    let stream = UnixStream::connect(socket)
        .map_err(|error| Error::at("connect to the console socket", socket, error))?;
    send_fd(&stream, console.as_fd(), b"/dev/ptmx")
        .map_err(|errno| Error::at("send the terminal to", socket, errno))
}
