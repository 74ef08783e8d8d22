//! A connection to systemd over D-Bus, used by one thread for one thing.
//!
//! systemd's own socket is what systemctl(1) uses: no bus daemon stands between, and signals come unasked. Where it is
//! missing, as in a container that has only the bus's socket, the bus itself is asked.

use std::env;
use std::thread::sleep;
use std::time::Duration;

use coble_sys::errno_words;
use coble_sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use coble_sys::rustix::fd::OwnedFd;
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::net::sockopt::{Timeout, set_socket_timeout};
use coble_sys::rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};
use coble_sys::rustix::process::geteuid;

use super::message::{Call, Message, PROLOGUE, length};
use super::patience::Patience;
use super::unit::Manager;
use super::value::{Encoder, Value};
use crate::Error;
use crate::record::is_clean;

/// The whole of the authentication at once (D-Bus Specification, "Authentication Protocol"): the other side knows by
/// the socket who this is. It answers with `DATA` and `OK`.
const AUTHENTICATION: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
/// A line of it is no longer.
const LONGEST_LINE: usize = 1024;

/// How often a systemd that is executed anew is looked for: at first, and at last.
const FIRST_STEP: Duration = Duration::from_millis(1);
const LONGEST_STEP: Duration = Duration::from_millis(100);

/// The other side has ended the connection before it has answered.
const NO_REPLY: &str = "org.freedesktop.DBus.Error.NoReply";
/// The bus itself.
const DBUS: &str = "org.freedesktop.DBus";
const SYSTEMD: &str = "org.freedesktop.systemd1";
const SYSTEMD_PATH: &str = "/org/freedesktop/systemd1";
pub(crate) const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// A connection.
#[derive(Debug)]
pub(crate) struct Bus {
    socket: OwnedFd,
    /// What is waiting to be taken apart.
    inbox: Vec<u8>,
    serial: u32,
    /// systemd's own name on the bus, where one is between.
    manager: Option<String>,
    /// When all that is waited for has to be over.
    patience: Patience,
}

/// Where systemd listens.
struct Address {
    path: String,
    /// The bus is between.
    is_bus: bool,
}

impl Bus {
    /// Connects to the manager. One that is just being executed anew is waited for.
    ///
    /// # Errors
    /// [`Error::Systemd`] or [`Error::HungUp`]; nobody listens, or doesn't let us in.
    pub(crate) fn connect(manager: Manager, patience: Patience) -> Result<Self, Error> {
        let mut step = FIRST_STEP;
        loop {
            match Self::connect_once(manager, patience) {
                Err(Error::HungUp) if !patience.is_over() => sleep(step),
                result => return result,
            }
            step = (step * 2).min(LONGEST_STEP);
        }
    }

    fn connect_once(manager: Manager, patience: Patience) -> Result<Self, Error> {
        let mut first_error = None;
        for address in addresses(manager) {
            match Self::open(&address.path, patience) {
                Ok(mut bus) => {
                    if address.is_bus {
                        bus.join()?;
                    }
                    return Ok(bus);
                }
                Err(Error::HungUp) => return Err(Error::HungUp),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| {
            Error::systemd(
                "neither XDG_RUNTIME_DIR nor DBUS_SESSION_BUS_ADDRESS says where the user's manager is",
            )
        }))
    }

    fn open(path: &str, patience: Patience) -> Result<Self, Error> {
        let left = patience.left(&format!("listener at {path}"))?;
        let socket = connected(path, left).map_err(|errno| match errno {
            // The socket is there, and nobody has it.
            Errno::CONNREFUSED => Error::HungUp,
            errno => Error::systemd(format!("can't connect to {path}: {}", errno_words(errno))),
        })?;
        let mut bus = Self { socket, inbox: Vec::new(), serial: 0, manager: None, patience };
        bus.authenticate()?;
        Ok(bus)
    }

    /// systemd overlooks a call that comes before it has answered: what it has read together with `BEGIN` waits until
    /// something else comes.
    fn authenticate(&mut self) -> Result<(), Error> {
        self.write(AUTHENTICATION)?;
        loop {
            let line = self.line()?;
            if line.starts_with("OK ") {
                return Ok(());
            }
            if line != "DATA" {
                return Err(Error::systemd(format!("it doesn't let us in: {line:?}")));
            }
        }
    }

    /// Becomes a client of the bus, and asks for systemd's signals. systemd has another name on it when it has been executed
    /// anew.
    fn join(&mut self) -> Result<(), Error> {
        let call = |member, signature, body| Call {
            destination: DBUS,
            path: "/org/freedesktop/DBus",
            interface: DBUS,
            member,
            signature,
            body,
        };
        self.ask(&call("Hello", "", Encoder::default()))?;
        let mut rule = Encoder::default();
        rule.text(&format!(
            "type='signal',sender='{SYSTEMD}',interface='{MANAGER}',member='JobRemoved'"
        ));
        self.ask(&call("AddMatch", "s", rule))?;
        let mut rule = Encoder::default();
        rule.text(&format!(
            "type='signal',sender='{DBUS}',interface='{DBUS}',member='NameOwnerChanged',arg0='{SYSTEMD}'"
        ));
        self.send(&call("AddMatch", "s", rule))?;
        let (sender, _) = self.answer(&manager_call("Subscribe", "", Encoder::default()))?;
        self.manager = Some(sender);
        Ok(())
    }

    /// Waits until the other side has come to this.
    ///
    /// # Errors
    /// [`Error::Systemd`].
    pub(crate) fn ping(&mut self) -> Result<(), Error> {
        let call = Call {
            destination: SYSTEMD,
            path: "/",
            interface: "org.freedesktop.DBus.Peer",
            member: "Ping",
            signature: "",
            body: Encoder::default(),
        };
        self.ask(&call).map(drop)
    }

    /// The manager's own cgroup, without a slash before it; empty if that is the root.
    ///
    /// # Errors
    /// [`Error::Systemd`] or [`Error::Refused`].
    pub(crate) fn control_group(&mut self) -> Result<String, Error> {
        let mut body = Encoder::default();
        body.text(MANAGER);
        body.text("ControlGroup");
        let call = Call {
            interface: "org.freedesktop.DBus.Properties",
            ..manager_call("Get", "ss", body)
        };
        let answer = self.ask(&call)?;
        let path = match answer.first() {
            Some(Value::Text(path)) => path.trim_start_matches('/'),
            _ => return Err(Error::systemd("its answer can't be understood")),
        };
        match path.is_empty() || is_clean(path) {
            true => Ok(path.to_owned()),
            false => Err(Error::systemd(format!("{path:?} is not the path of a cgroup"))),
        }
    }

    /// Makes a call and waits for its answer. What comes before is not kept.
    ///
    /// # Errors
    /// [`Error::Systemd`] if there is no answer; [`Error::Refused`] if it is a refusal.
    pub(crate) fn ask(&mut self, call: &Call<'_>) -> Result<Vec<Value>, Error> {
        self.answer(call).map(|(_, body)| body)
    }

    /// The answer to a call, and who it is of.
    fn answer(&mut self, call: &Call<'_>) -> Result<(String, Vec<Value>), Error> {
        let serial = self.send(call)?;
        let answer = format!("answer to {}", call.member);
        loop {
            match self.receive(&answer)? {
                Message::Reply { to, sender, body } if to == serial => return Ok((sender, body)),
                Message::Error { to, name, words } if to == serial => {
                    return Err(Error::Refused { name, words });
                }
                _ => {}
            }
        }
    }

    /// Sends a call and returns its number.
    ///
    /// # Errors
    /// [`Error::Systemd`].
    pub(crate) fn send(&mut self, call: &Call<'_>) -> Result<u32, Error> {
        self.serial += 1;
        let message = call.encode(self.serial);
        self.write(&message)?;
        Ok(self.serial)
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(length) => bytes = &bytes[length..],
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Error::HungUp),
                Err(errno) => return Err(failed("send to", errno)),
            }
        }
        Ok(())
    }

    /// The next message, while `what` is waited for. Signals are systemd's: others on a bus may send some of the same name.
    ///
    /// # Errors
    /// [`Error::Systemd`]: it takes too long, is no message, or the connection has ended ([`Error::HungUp`]).
    pub(crate) fn receive(&mut self, what: &str) -> Result<Message, Error> {
        loop {
            let message = self.next(what)?;
            if self.counts(&message) {
                return Ok(message);
            }
        }
    }

    /// Whether a message is no signal, or is one of systemd's. The bus tells of a new name of systemd's.
    fn counts(&mut self, message: &Message) -> bool {
        let Message::Signal { sender, interface, member, body } = message else { return true };
        let Some(manager) = &mut self.manager else { return interface == MANAGER };
        if let (DBUS, "NameOwnerChanged", [Value::Text(name), _, Value::Text(owner)]) =
            (sender.as_str(), member.as_str(), body.as_slice())
            && name == SYSTEMD
        {
            manager.clone_from(owner);
        }
        interface == MANAGER && sender == manager
    }

    fn next(&mut self, what: &str) -> Result<Message, Error> {
        self.fill(PROLOGUE, what)?;
        let odd = || Error::systemd("its answer can't be understood");
        let prologue = self.inbox[..PROLOGUE].try_into().map_err(|_| odd())?;
        let length = length(prologue).ok_or_else(odd)?;
        self.fill(length, what)?;
        let message: Vec<u8> = self.inbox.drain(..length).collect();
        match Message::decode(&message).ok_or_else(odd)? {
            // What systemd has not come to when it is executed anew, it refuses with this.
            Message::Error { name, .. } if name == NO_REPLY => Err(Error::HungUp),
            message => Ok(message),
        }
    }

    /// A line of the authentication, without its end.
    fn line(&mut self) -> Result<String, Error> {
        let mut wanted = 1;
        loop {
            self.fill(wanted, "answer to the greeting")?;
            if let Some(end) = self.inbox.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.inbox[..end]).into_owned();
                self.inbox.drain(..end + 2);
                return Ok(line);
            }
            wanted = self.inbox.len() + 1;
            if wanted > LONGEST_LINE {
                return Err(Error::systemd("it doesn't answer as systemd does"));
            }
        }
    }

    /// Reads until the inbox has that many bytes.
    fn fill(&mut self, wanted: usize, what: &str) -> Result<(), Error> {
        while self.inbox.len() < wanted {
            self.wait(what)?;
            let mut bytes = [0; 4096];
            match recv(&self.socket, &mut bytes, RecvFlags::DONTWAIT) {
                Ok((_, 0)) | Err(Errno::CONNRESET) => return Err(Error::HungUp),
                Ok((_, length)) => self.inbox.extend(&bytes[..length]),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(errno) => return Err(failed("hear from", errno)),
            }
        }
        Ok(())
    }

    fn wait(&self, what: &str) -> Result<(), Error> {
        let left = self.patience.left(what)?;
        let timeout = Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(failed("wait for", errno)),
        }
    }
}

fn failed(what: &str, errno: Errno) -> Error {
    Error::systemd(format!("can't {what} it: {}", errno_words(errno)))
}

fn connected(path: &str, left: Duration) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // A listener with a full queue is waited for.
    set_socket_timeout(&socket, Timeout::Send, Some(left))?;
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes())?,
        None => SocketAddrUnix::new(path)?,
    };
    connect(&socket, &address)?;
    Ok(socket)
}

/// A call of the manager.
pub(crate) fn manager_call<'a>(member: &'a str, signature: &'a str, body: Encoder) -> Call<'a> {
    Call { destination: SYSTEMD, path: SYSTEMD_PATH, interface: MANAGER, member, signature, body }
}

/// Where the manager listens, the first choice first.
fn addresses(manager: Manager) -> Vec<Address> {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let direct = |path| Address { path, is_bus: false };
    let bus = |path| Address { path, is_bus: true };
    match manager {
        Manager::System => {
            let path = variable("DBUS_SYSTEM_BUS_ADDRESS").and_then(|text| unix_path(&text));
            let path = path.unwrap_or_else(|| "/run/dbus/system_bus_socket".to_owned());
            // systemd lets nobody else have its own.
            let own = geteuid().is_root().then(|| direct("/run/systemd/private".to_owned()));
            own.into_iter().chain([bus(path)]).collect()
        }
        Manager::User => {
            let folder = variable("XDG_RUNTIME_DIR");
            let own = folder.as_ref().map(|folder| direct(format!("{folder}/systemd/private")));
            let path = variable("DBUS_SESSION_BUS_ADDRESS").and_then(|text| unix_path(&text));
            let path = path.or_else(|| folder.map(|folder| format!("{folder}/bus")));
            own.into_iter().chain(path.map(bus)).collect()
        }
    }
}

/// The first socket in a list of addresses (D-Bus Specification, "Server Addresses"); an abstract one begins with `@`.
fn unix_path(addresses: &str) -> Option<String> {
    addresses.split(';').find_map(|address| {
        let keys = address.strip_prefix("unix:")?;
        keys.split(',').find_map(|pair| match pair.split_once('=')? {
            ("path", path) => Some(unescaped(path)),
            ("abstract", name) => Some(format!("@{}", unescaped(name))),
            _ => None,
        })
    })
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = (*first == b'%')
            .then(|| std::str::from_utf8(after.get(..2)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let found = |text| unix_path(text).unwrap_or_default();
        assert_eq!(found("unix:path=/run/user/7/bus"), "/run/user/7/bus");
        assert_eq!(found("unix:guid=1,path=/a%20b%2"), "/a b%2");
        assert_eq!(found("tcp:host=a,port=1;unix:abstract=/tmp/x"), "@/tmp/x");
        assert_eq!(unix_path("unix:tmpdir=/tmp"), None);
        assert_eq!(unix_path(""), None);
    }
}
