//! Relays between the caller's terminal and the container's.

use coble_sys::rustix::event::{PollFd, PollFlags, Timespec, poll};
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::io::{Errno, ioctl_fionbio, read, write};
use coble_sys::rustix::termios::{
    OptionalActions, OutputModes, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};
use std::io::{Stdin, Stdout, stdin, stdout};

use crate::error::{Error, Result};

/// A relay; the caller's terminal is raw while it is there.
#[derive(Debug)]
pub(crate) struct Relay {
    master: OwnedFd,
    stdin: Stdin,
    stdout: Stdout,
    before: Option<Termios>,
    to_master: Pending,
    to_stdout: Pending,
    /// Why output was lost, if it was.
    lost: Option<Error>,
}

/// Bytes that were read and are still to be written.
#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    /// Whether nothing more comes.
    is_over: bool,
}

const CHUNK: usize = 4096;

impl Relay {
    /// Makes the caller's terminal raw, and the container's as large. The program must not run before that.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn begin(master: OwnedFd) -> Result<Self> {
        let failed = |errno| Error::os("set up the terminal", errno);
        ioctl_fionbio(&master, true).map_err(failed)?;
        keep_line_ends(master.as_fd()).map_err(failed)?;
        let stdin = stdin();
        let mut before = None;
        if isatty(&stdin) {
            let termios = tcgetattr(&stdin).map_err(failed)?;
            let mut raw = termios.clone();
            raw.make_raw();
            // The container's terminal leaves line ends to this one.
            raw.output_modes = termios.output_modes;
            tcsetattr(&stdin, OptionalActions::Drain, &raw).map_err(failed)?;
            before = Some(termios);
        }
        let relay = Self {
            master,
            stdin,
            stdout: stdout(),
            before,
            to_master: Pending::default(),
            to_stdout: Pending::default(),
            lost: None,
        };
        relay.resize()?;
        Ok(relay)
    }

    /// Gives the container's terminal the size of the caller's.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn resize(&self) -> Result<()> {
        let Ok(size) = tcgetwinsize(&self.stdin) else { return Ok(()) };
        tcsetwinsize(&self.master, size).map_err(|errno| Error::os("resize the terminal", errno))
    }

    /// Adds what must be waited for.
    pub(crate) fn watch<'b>(&'b self, watched: &mut Vec<PollFd<'b>>) {
        let master = match (self.to_stdout.bytes.is_empty(), self.to_master.bytes.is_empty()) {
            (true, true) => PollFlags::IN,
            (true, false) => PollFlags::IN | PollFlags::OUT,
            (false, true) => PollFlags::empty(),
            (false, false) => PollFlags::OUT,
        };
        if !self.to_stdout.is_over && !master.is_empty() {
            watched.push(PollFd::new(&self.master, master));
        }
        if self.to_master.bytes.is_empty() && !self.to_master.is_over {
            watched.push(PollFd::new(&self.stdin, PollFlags::IN));
        }
        if !self.to_stdout.bytes.is_empty() {
            watched.push(PollFd::new(&self.stdout, PollFlags::OUT));
        }
    }

    /// Passes on what is there, without waiting. The program runs on whether it is heard or not.
    pub(crate) fn pass_on(&mut self) {
        if is_ready(self.stdin.as_fd(), PollFlags::IN, NOW) {
            self.to_master.fill(self.stdin.as_fd());
        }
        // A terminal whose other end is closed takes nothing any more.
        let _ = self.to_master.drain(self.master.as_fd());
        self.to_stdout.fill(self.master.as_fd());
        if is_ready(self.stdout.as_fd(), PollFlags::OUT, NOW) {
            self.write_out();
        }
    }

    /// Passes on what the container has written up to its end. Returns why some of its output was lost, if it was.
    pub(crate) fn finish(mut self) -> Option<Error> {
        loop {
            self.to_stdout.fill(self.master.as_fd());
            if self.to_stdout.bytes.is_empty() {
                return self.lost.take();
            }
            is_ready(self.stdout.as_fd(), PollFlags::OUT, None);
            self.write_out();
        }
    }

    fn write_out(&mut self) {
        match self.to_stdout.drain(self.stdout.as_fd()) {
            // Nobody reads any more.
            Ok(()) | Err(Errno::IO | Errno::PIPE) => {}
            Err(errno) => {
                let lost = || Error::os("output of the terminal is lost, write", errno);
                self.lost.get_or_insert_with(lost);
            }
        }
    }
}

/// Leaves line ends as the program writes them, so that what is relayed into a pipe or a file has no carriage
/// returns; the caller's terminal adds its own.
fn keep_line_ends(console: BorrowedFd<'_>) -> std::result::Result<(), Errno> {
    let mut termios = tcgetattr(console)?;
    termios.output_modes.remove(OutputModes::ONLCR);
    tcsetattr(console, OptionalActions::Now, &termios)
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // The terminal may be gone.
            let _ = tcsetattr(&self.stdin, OptionalActions::Drain, before);
        }
    }
}

impl Pending {
    /// Reads more, unless there is something still to be written. What can't be read is over.
    fn fill(&mut self, from: BorrowedFd<'_>) {
        if self.is_over || !self.bytes.is_empty() {
            return;
        }
        let mut chunk = [0; CHUNK];
        match read(from, &mut chunk) {
            Ok(length) if length > 0 => self.bytes.extend_from_slice(&chunk[..length]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(_) | Err(_) => self.is_over = true,
        }
    }

    /// Writes what it can.
    ///
    /// # Errors
    /// The kernel's; then the bytes are gone.
    fn drain(&mut self, to: BorrowedFd<'_>) -> std::result::Result<(), Errno> {
        while !self.bytes.is_empty() {
            match write(to, &self.bytes) {
                Ok(length) => drop(self.bytes.drain(..length)),
                Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(errno) => {
                    self.bytes.clear();
                    return Err(errno);
                }
            }
        }
        Ok(())
    }
}

/// No time to wait at all.
const NOW: Option<Timespec> = Some(Timespec { tv_sec: 0, tv_nsec: 0 });

/// Whether it is ready within `limit`, or once it is without one.
fn is_ready(fd: BorrowedFd<'_>, flags: PollFlags, limit: Option<Timespec>) -> bool {
    let mut watched = [PollFd::new(&fd, flags)];
    poll(&mut watched, limit.as_ref()).is_ok_and(|ready| ready > 0)
}
