//! Tells a service manager that the program in the container is ready, sd_notify(3).
//!
//! The container never gets the service manager's socket: what is sent there is believed. It gets one of coble's own,
//! in a directory of the state folder that is mounted in the container, and of all that is sent to it only the line
//! `READY=1` counts. What the service manager is told then is coble's own word.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use coble_spec::Mount;
use coble_sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::pipe::{PipeFlags, pipe_with};

use crate::error::{Error, Result};
use crate::send_fd::send_datagram_fd;
use crate::store::Entry;

/// The variable by which a program knows the socket.
pub(crate) const VARIABLE: &str = "NOTIFY_SOCKET=/run/notify/notify.sock";
/// Where its directory is in the container.
const DIRECTORY: &str = "/run/notify";

/// Longer than any message that counts.
const MESSAGE_MAX: usize = 4096;

/// Messages that are read at once. Senders can fill the socket faster than it is read, and others wait as well.
const AT_ONCE: usize = 64;

/// How long a service manager may take to answer a barrier, sd_notify_barrier(3): one that doesn't know it never
/// does.
const BARRIER: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// The way from a container to a service manager.
#[derive(Debug)]
pub(crate) struct Notify {
    inside: UnixDatagram,
    host: UnixDatagram,
}

/// The mount by which the container has the socket's directory, which [`Entry::make_notify`] has made.
pub(crate) fn mount(entry: &Entry) -> Mount {
    Mount {
        destination: DIRECTORY.to_owned(),
        kind: "bind".to_owned(),
        source: entry.notify_directory().to_string_lossy().into_owned(),
        options: ["bind", "ro", "nosuid", "nodev", "noexec"].map(str::to_owned).to_vec(),
        ..Mount::default()
    }
}

impl Notify {
    /// Connects to the service manager's socket, a path or `@` and an abstract name, and binds the container's, which has
    /// the SELinux context `label` if that is not empty.
    ///
    /// # Errors
    /// Nobody listens there, or the container was made without a directory for its socket.
    pub(crate) fn begin(entry: &Entry, host: &OsStr, label: &str) -> Result<Self> {
        let failed = |error| Error::at("connect to the service manager at", host, error);
        let address = match host.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => SocketAddr::from_pathname(host),
        };
        let manager = UnixDatagram::unbound().map_err(failed)?;
        address.and_then(|address| manager.connect_addr(&address)).map_err(failed)?;
        let inside = entry.bind_notify(label)?;
        inside.set_nonblocking(true).map_err(failed)?;
        Ok(Self { inside, host: manager })
    }

    /// Whether the container has said `READY=1` since. What it has sent is taken, [`AT_ONCE`] messages at most.
    fn hears_ready(&self) -> Result<bool> {
        let mut buffer = [0; MESSAGE_MAX];
        for _ in 0..AT_ONCE {
            match self.inside.recv(&mut buffer) {
                Ok(length) if is_ready(&buffer[..length]) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(Error::at("receive from", "the container", error)),
            }
        }
        Ok(false)
    }

    /// Tells the service manager that the service is ready and which process it is. Returns what becomes readable
    /// once both have been heard.
    fn tell(&self, pid: u32) -> Result<OwnedFd> {
        let failed = |error| Error::at("send to", "the service manager", error);
        self.host.send(b"READY=1\n").map_err(failed)?;
        self.host.send(format!("MAINPID={pid}\n").as_bytes()).map_err(failed)?;
        let (heard, theirs) =
            pipe_with(PipeFlags::CLOEXEC).map_err(|errno| Error::os("pipe2", errno))?;
        send_datagram_fd(&self.host, theirs.as_fd(), b"BARRIER=1")
            .map_err(|errno| failed(errno.into()))?;
        Ok(heard)
    }

    /// Waits until the program is ready, and until the service manager knows: one that finds the sender gone can't
    /// tell whose word it was. A program that ends before it is ready ends the wait as well.
    ///
    /// # Errors
    /// The service manager has gone away, or doesn't answer. The program runs all the same.
    pub(crate) fn await_ready(&self, process: BorrowedFd<'_>, pid: i32) -> Result<()> {
        let inside = self.inside.as_fd();
        while !self.hears_ready()? {
            if wait([inside, process], None)?[1] {
                return Ok(());
            }
        }
        let heard = self.tell(pid.cast_unsigned())?;
        match wait([heard.as_fd()], Some(&BARRIER))? {
            [true] => Ok(()),
            [false] => Err(Error::new("no answer from the service manager within 30 s")),
        }
    }

    /// The same for a process that stays, and so is the service's main process: to be called whenever the socket can
    /// be read. Says whether it was the last time.
    pub(crate) fn pass_on(&self) -> bool {
        match self.hears_ready() {
            Ok(false) => false,
            // Nobody waits for an answer; the program runs whether the service manager hears it or not.
            Ok(true) => self.tell(std::process::id()).map_or(true, |_| true),
            Err(_) => true,
        }
    }
}

/// The container's socket.
impl AsFd for Notify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inside.as_fd()
    }
}

/// Messages are lines, in any order.
fn is_ready(message: &[u8]) -> bool {
    message.split(|byte| *byte == b'\n').any(|line| line == b"READY=1")
}

/// Waits until one of them is ready or closed, and says which.
fn wait<const N: usize>(fds: [BorrowedFd<'_>; N], limit: Option<&Timespec>) -> Result<[bool; N]> {
    let mut watched = fds.each_ref().map(|fd| PollFd::new(fd, PollFlags::IN));
    loop {
        match poll(&mut watched, limit) {
            Ok(_) => return Ok(watched.map(|fd| !fd.revents().is_empty())),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::os("poll", errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_line_counts() {
        for message in ["READY=1", "READY=1\n", "STATUS=up\nREADY=1", "READY=1\nMAINPID=1\n"] {
            assert!(is_ready(message.as_bytes()), "{message}");
        }
        let others = [
            "",
            "READY=0",
            "READY=12",
            " READY=1",
            "XREADY=1",
            "MAINPID=1",
            "READY=1\r\n",
            "STOPPING=1",
        ];
        for message in others {
            assert!(!is_ready(message.as_bytes()), "{message}");
        }
    }
}
