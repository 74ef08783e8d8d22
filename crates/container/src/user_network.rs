//! pasta(1) and slirp4netns(1): the way from a container's network namespace to the host's network, for who may not
//! make one in the kernel.
//!
//! Each is a process of the caller's that takes packets from a tap device in the namespace, and makes sockets of its own
//! of them. Both get the same addresses, and neither passes on what is meant for the host's loopback addresses.

use std::ffi::{CStr, CString};
use std::io::Read;
use std::net::Ipv4Addr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use coble_sys::rustix::event::Timespec;
use coble_sys::rustix::fd::{AsFd, AsRawFd, OwnedFd};
use coble_sys::rustix::fs::{
    MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create, open,
};
use coble_sys::rustix::io::pread;
use coble_sys::rustix::pipe::{PipeFlags, pipe_with};
use coble_sys::{Program, Spawn};

use crate::error::{Error, Result};
use crate::executor::{destroy, ended};
use crate::facts::Facts;
use crate::interrupt::{Interrupt, Watch};
use crate::search_path::in_path;

/// Where both programs forward queries to the host's resolver, wherever on the host that listens.
pub(crate) const RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

/// The gateway in the namespace.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

/// The tap device in the namespace.
pub(crate) const INTERFACE: &CStr = c"tap0";

/// How long a helper may take until the network is there.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// Bytes of a helper's messages that are kept.
const MESSAGES: u64 = 4096;

/// A program that connects a network namespace with the host's network (user-mode networking).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserNetwork {
    kind: Kind,
    path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pasta,
    Slirp,
}

/// A helper that runs. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Attendant(OwnedFd);

impl UserNetwork {
    /// Looks for pasta(1) in `PATH`, and then for slirp4netns(1).
    ///
    /// For the system's root only the latter will do: pasta gives root's rights up before it opens the namespace, and with
    /// them the right to open it.
    ///
    /// # Errors
    /// None of them is there: the text names the packages that have them. Or `/proc` can't be read.
    pub fn find() -> Result<Self> {
        let (kinds, missing): (&[Kind], _) = match Facts::look()?.is_rootless() {
            true => (
                &[Kind::Pasta, Kind::Slirp],
                "neither pasta nor slirp4netns is in $PATH (packages passt and slirp4netns)",
            ),
            false => (&[Kind::Slirp], "slirp4netns is not in $PATH (package slirp4netns)"),
        };
        let found = |kind: &Kind| Some(Self { kind: *kind, path: in_path(kind.name())? });
        kinds.iter().find_map(found).ok_or_else(|| Error::new(missing))
    }

    /// Starts it for the network namespace of a process, and waits until the network is there.
    ///
    /// # Errors
    /// It can't be run, fails, or takes too long; or this process is asked to end.
    pub(crate) fn start(&self, pid: i32, interrupt: Option<&Interrupt>) -> Result<Attendant> {
        let attended = self.attend(pid, interrupt);
        attended.map_err(|error| error.within(&format!("network by {}", self.kind.name())))
    }

    fn attend(&self, pid: i32, interrupt: Option<&Interrupt>) -> Result<Attendant> {
        let failed = |call| move |errno| Error::os(call, errno);
        let (ready, theirs) = pipe_with(PipeFlags::CLOEXEC).map_err(failed("pipe2"))?;
        let messages = messages().map_err(failed("memfd_create"))?;
        let input = open(c"/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(failed("open"))?;
        let path = CString::new(self.path.as_os_str().as_bytes()).unwrap_or_default();
        let words = self.kind.arguments(pid, theirs.as_raw_fd());
        let words: Vec<CString> =
            words.into_iter().map(|word| CString::new(word).unwrap_or_default()).collect();
        let arguments: Vec<&CStr> = words.iter().map(CString::as_c_str).collect();
        let output = match self.kind {
            // It closes all descriptors but the standard ones, and writes nothing to this one.
            Kind::Pasta => theirs.as_fd(),
            Kind::Slirp => messages.as_fd(),
        };
        let spawn = Spawn {
            namespaces: 0,
            cgroup: None,
            program: Program::At(&path),
            arguments: &arguments,
            close_from: 3,
            keep: match self.kind {
                Kind::Pasta => &[],
                Kind::Slirp => &[theirs.as_fd()],
            },
            streams: [Some(input.as_fd()), Some(output), Some(messages.as_fd())],
            gate: None,
            attends: true,
        };
        let helper = Attendant(spawn.spawn().map_err(failed("clone3"))?.pidfd);
        // Now the end of what it says is its own end.
        drop(theirs);
        helper.await_ready(ready, interrupt, &messages)?;
        Ok(helper)
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Pasta => "pasta",
            Self::Slirp => "slirp4netns",
        }
    }

    /// What it is called with: the addresses that slirp4netns has by itself, IPv4 alone, no way to the host's loopback
    /// addresses, no port of the host's that leads inside, and a descriptor that is written to once all is there.
    fn arguments(self, pid: i32, ready: i32) -> Vec<String> {
        let words = match self {
            Self::Pasta => format!(
                "pasta --foreground --quiet --config-net --ipv4-only --address 10.0.2.100 --netmask 24 \
                 --gateway 10.0.2.2 --ns-ifname tap0 --dns-forward {RESOLVER} --no-map-gw -t none -u none -T none \
                 -U none --pid /proc/self/fd/1 {pid}"
            ),
            Self::Slirp => format!(
                "slirp4netns --configure --mtu=65520 --disable-host-loopback --enable-sandbox --enable-seccomp \
                 --ready-fd={ready} {pid} tap0"
            ),
        };
        words.split(' ').map(str::to_owned).collect()
    }
}

impl Attendant {
    /// Waits for the first byte of `ready`.
    fn await_ready(
        &self,
        ready: OwnedFd,
        interrupt: Option<&Interrupt>,
        messages: &OwnedFd,
    ) -> Result<()> {
        let watch = Watch { interrupt, process: None };
        if !watch.wait(ready.as_fd(), Some(PATIENCE))? {
            return Err(Error::new(format!("not ready within {} s", PATIENCE.tv_sec)));
        }
        // A file that has been closed without a word has ended the helper, or will with it.
        let said = std::fs::File::from(ready).read(&mut [0]).unwrap_or(0);
        if said == 1 && ended(self.0.as_fd())?.is_none() {
            return Ok(());
        }
        Err(Error::new(last_words(messages)))
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        destroy(self.0.as_fd());
    }
}

/// A file for a helper's messages that can't grow beyond [`MESSAGES`]; what comes after is lost.
fn messages() -> coble_sys::rustix::io::Result<OwnedFd> {
    let file = memfd_create("messages", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, MESSAGES)?;
    fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK)?;
    Ok(file)
}

/// The last message of a helper that has failed.
fn last_words(messages: &OwnedFd) -> String {
    let mut bytes = [0; MESSAGES as usize];
    let length = pread(messages, &mut bytes, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(&bytes[..length]);
    let mut lines = text.trim_end_matches('\0').lines().map(str::trim);
    // That is said of every line where no system log listens.
    let words = lines.rfind(|line| !line.is_empty() && !line.ends_with("bytes to syslog"));
    words.unwrap_or("it ended without a word").to_owned()
}
