//! A terminal that a test sits at.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::cmd::Cmd;
use crate::wait;

/// The master end of a pseudo-terminal, and what has been shown on it.
#[derive(Debug)]
pub struct Terminal {
    master: File,
    screen: Arc<Mutex<Vec<u8>>>,
    closed: Arc<AtomicBool>,
}

impl Terminal {
    /// The terminal whose master end is `master`.
    ///
    /// # Panics
    /// When the descriptor can't be copied.
    #[must_use]
    pub fn from_master(master: OwnedFd) -> Self {
        let master = File::from(master);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let mut reader = master.try_clone().expect("a second descriptor");
        let closed = Arc::new(AtomicBool::new(false));
        let (shown, end) = (Arc::clone(&screen), Arc::clone(&closed));
        thread::spawn(move || {
            let mut part = [0; 4096];
            loop {
                match reader.read(&mut part) {
                    Ok(0) => break,
                    Ok(count) => shown.lock().expect("screen").extend(&part[..count]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // EIO: the last process has closed its end.
                    Err(_) => break,
                }
            }
            end.store(true, Ordering::Release);
        });
        Self { master, screen, closed }
    }

    /// A new terminal of `rows` and `columns`, and its other end.
    ///
    /// # Panics
    /// When the machine has none to give.
    #[must_use]
    pub fn open(rows: u16, columns: u16) -> (Self, OwnedFd) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let name = ptsname(&master, Vec::new()).expect("the other end's name");
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(name.to_str().expect("a path in UTF-8"))
            .expect("the other end");
        let terminal = Self::from_master(master);
        terminal.resize(rows, columns);
        (terminal, slave.into())
    }

    /// Runs `command`, which must be one of `setsid --ctty --wait PROGRAM...`, on a new terminal of 24 rows and
    /// 80 columns, whose controlling process it is.
    ///
    /// # Panics
    /// When it can't be started.
    #[must_use]
    pub fn run(command: Cmd) -> (Self, Child) {
        let (terminal, slave) = Self::open(24, 80);
        let (child, _label) = command.terminal(&slave).expect("a command on a terminal");
        (terminal, child)
    }

    /// Changes the size.
    ///
    /// # Panics
    /// When it can't.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).expect("a new size");
    }

    /// Changes the size again and again, each time by way of one column less, until `text` is shown.
    ///
    /// For a client that may miss a change: Docker's (20.10, `MonitorTtySize`) sends the first size and only
    /// then begins to listen for SIGWINCH, and a size that stays the same sends none.
    ///
    /// # Panics
    /// When `text` isn't shown by the deadline.
    #[track_caller]
    pub fn resize_until(&self, rows: u16, columns: u16, text: &str) {
        let shown = wait::poll(wait::DEADLINE, || {
            self.resize(rows, columns - 1);
            self.resize(rows, columns);
            let moment = Duration::from_millis(500);
            wait::poll(moment, || self.screen().contains(text).then_some(()))
        });
        assert!(shown.is_some(), "never showed `{text}`; it shows: {}", self.screen());
    }

    /// Types `text`.
    ///
    /// # Panics
    /// When it can't.
    pub fn types(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("typing");
    }

    /// All that has been shown so far.
    ///
    /// # Panics
    /// When the reading thread died.
    #[must_use]
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().expect("screen")).into_owned()
    }

    /// Waits for `text` to be shown.
    ///
    /// # Panics
    /// When it isn't by the deadline.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        let shown = wait::poll(wait::DEADLINE, || self.screen().contains(text).then_some(()));
        assert!(shown.is_some(), "never showed `{text}`; it shows: {}", self.screen());
    }
}

/// Waits for the end of a command on a terminal, and for all that it showed, and gives its exit status.
///
/// # Panics
/// When it hasn't ended by the deadline, or has left somebody who holds the terminal.
#[track_caller]
#[must_use]
pub fn exit_code(mut child: Child, terminal: &Terminal) -> Option<i32> {
    let status = wait::poll(wait::DEADLINE, || child.try_wait().expect("wait"));
    let Some(status) = status else {
        let _ = child.kill();
        let _ = child.wait();
        panic!("hangs on its terminal; it shows: {}", terminal.screen());
    };
    wait::until("everybody to let the terminal go", || terminal.closed.load(Ordering::Acquire));
    status.code()
}
