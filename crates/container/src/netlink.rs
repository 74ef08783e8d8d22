//! A client of rtnetlink(7) that knows what moving a network device takes: links and addresses.

mod address;
mod link;
mod message;

use coble_sys::netlink_explain;
use coble_sys::rustix::fd::{AsFd, OwnedFd};
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::net::netlink::SocketAddrNetlink;
use coble_sys::rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with,
};

pub(crate) use address::Address;
pub(crate) use link::Link;
use message::{Message, Outcome, Request, messages};

use crate::error::{Error, Result};

/// The largest datagram that the kernel makes for a dump (`netlink_dump` in `net/netlink/af_netlink.c`).
const DATAGRAM_MAX: usize = 32 * 1024;

/// How often a list is asked for that changes while it is told.
const DUMPS_MAX: usize = 16;

/// A socket to the kernel's network namespace in which it was opened, whatever its user's is later.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

/// Why the kernel did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) errno: Errno,
    /// The kernel's own words; may be empty.
    pub(crate) words: String,
}

impl Refusal {
    /// `action: why`, with the kernel's words in brackets.
    pub(crate) fn during(self, action: &str) -> Error {
        let error = Error::os(action, self.errno);
        if self.words.is_empty() { error } else { Error::new(format!("{error} ({})", self.words)) }
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self { errno, words: String::new() }
    }
}

impl Netlink {
    /// Opens one in the calling thread's network namespace.
    ///
    /// # Errors
    /// As socket(2).
    pub(crate) fn open() -> Result<Self> {
        let failed = |errno| Error::os("open a netlink socket", errno);
        // NETLINK_ROUTE is protocol 0.
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None);
        let socket = socket.map_err(failed)?;
        // From here on nobody but the kernel can answer.
        connect(&socket, &SocketAddrNetlink::new(0, 0)).map_err(failed)?;
        netlink_explain(socket.as_fd()).map_err(failed)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Asks for something to be done, or for one thing. Returns the payloads of the answers of type `answer`.
    fn ask(&mut self, request: Request, answer: u16) -> std::result::Result<Vec<Vec<u8>>, Refusal> {
        for _ in 0..DUMPS_MAX {
            self.sequence = self.sequence.wrapping_add(1);
            let bytes = request.finish(self.sequence)?;
            send(&self.socket, &bytes, SendFlags::empty())?;
            if let Some(payloads) = self.hear(answer)? {
                return Ok(payloads);
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// Reads up to the end of the answer; `None` if the list changed in between.
    fn hear(&self, answer: u16) -> std::result::Result<Option<Vec<Vec<u8>>>, Refusal> {
        let mut buffer = vec![0; DATAGRAM_MAX];
        let mut payloads = Vec::new();
        let mut is_whole = true;
        loop {
            let length = match recv(&self.socket, &mut buffer[..], RecvFlags::TRUNC) {
                Ok((_, length)) if length > DATAGRAM_MAX => return Err(Errno::MSGSIZE.into()),
                Ok((_, length)) => length,
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            for message in messages(&buffer[..length]) {
                let message: Message<'_> = message.ok_or(Errno::BADMSG)?;
                if message.sequence != self.sequence {
                    continue;
                }
                is_whole &= !message.is_interrupted();
                match message.outcome() {
                    Some(Outcome::Done) => return Ok(is_whole.then_some(payloads)),
                    Some(Outcome::Refused(refusal)) => return Err(refusal),
                    None if message.kind == answer => payloads.push(message.payload.to_vec()),
                    None => {}
                }
            }
        }
    }
}
