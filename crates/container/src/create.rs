//! `create`: makes a container that waits for `start`.

use std::ffi::OsString;
use std::path::PathBuf;

use coble_spec::Spec;

use crate::child::Spawned;
use crate::descriptors::Activation;
use crate::error::Result;
use crate::make::{Making, Purpose};
use crate::observe::Observe;
use crate::pid_file::write_pid_file;
use crate::streams::Streams;

/// A container to be made (runtime.md, "Create").
///
/// Paths that are not absolute start at the working directory, which a program with several threads should not
/// rely on.
#[derive(Clone, Debug, Default)]
pub struct Create {
    /// The state folder, made with mode 0700 if it is missing: [`default_root`](crate::default_root), or one of the
    /// program's own, which keeps its containers apart from others.
    pub root: PathBuf,
    /// The container's name: letters, digits, `_`, `+`, `-` and `.`, at most [`MAX_ID`](crate::MAX_ID) of them.
    pub id: String,
    /// The bundle's directory (bundle.md). Hooks run there, and `root.path` and the sources of bind mounts may be
    /// relative to it.
    pub bundle: PathBuf,
    /// The configuration; without one it is the bundle's `config.json`.
    pub spec: Option<Box<Spec>>,
    /// A file with the configuration, in place of `spec` and of the bundle's `config.json`. Its relative paths are relative
    /// to the bundle all the same.
    pub config: Option<PathBuf>,
    /// Make and enter no cgroup. Nothing but the configuration of a container with a pid namespace of its own, in a user
    /// namespace of its own or the caller's, and without limits can be carried out then.
    pub no_cgroup: bool,
    /// Have systemd make the cgroup: process 1, or the user's manager where the caller is not root or is so only in a user
    /// namespace. `linux.cgroupsPath` is `slice:prefix:name` then.
    pub systemd_cgroup: bool,
    /// Whether a cgroup, or a part of it, that can't be made for want of rights is done without, if neither a `cgroupsPath`
    /// nor a limit asks for it, and so are device rules of a container in a user namespace. `None`: if the caller is
    /// not root, or is so only in a user namespace.
    pub rootless: Option<bool>,
    /// Where the process id is written, in decimal and without a line end: whole or not at all.
    pub pid_file: Option<PathBuf>,
    /// Unix socket that gets the terminal: one message with one descriptor, the master's. Needed if the process has
    /// a terminal, but for a [`Run`](crate::Run) that stays, which relays it.
    pub console_socket: Option<PathBuf>,
    /// Unix stream socket that gets a pidfd of the container's first process, beside the word `standard`, before the
    /// program runs.
    pub pidfd_socket: Option<PathBuf>,
    /// The socket of the service manager that started the caller, as in the variable `NOTIFY_SOCKET` (sd_notify(3)): a
    /// path, or `@` and an abstract name. The container gets a socket of its own in `/run/notify` and that variable.
    /// Once its program sends `READY=1` there, the service manager is told so, with the main process: the caller, if
    /// it is a [`Run`](crate::Run) that stays, else the container's first process, and then the verb returns only
    /// then. For a container that is only created see [`start_notifying`](crate::start_notifying).
    pub notify_socket: Option<OsString>,
    /// The program's standard streams.
    pub streams: Streams,
    /// Move the root instead of pivot_root(2), for a root on the initial ramdisk.
    pub no_pivot: bool,
    /// Stay in the caller's session keyring, keyrings(7).
    pub no_new_keyring: bool,
    /// Sockets that the program gets from descriptor 3 on.
    pub activation: Activation,
    /// How many of this process's descriptors the program gets besides, from 3 on and behind the sockets. Each must
    /// be open without close-on-exec: in a program with several threads that calls for care.
    pub preserve_fds: u32,
}

impl Create {
    /// Makes the container. Its process waits for [`start`](crate::start), and stays when the calling thread ends.
    ///
    /// # Errors
    /// The first step that fails; then nothing is left of the container.
    pub fn execute(&self) -> Result<Spawned> {
        let mut making = Making::begin(self, Purpose::Create, Observe::default(), None)?;
        match self.ready(&mut making) {
            Ok(()) => making.leave(),
            Err(error) => Err(making.abandon(error)),
        }
    }

    /// Waits until the container waits for `start`, or its program runs, and writes the pid file.
    ///
    /// # Errors
    /// As [`Making::await_ready`]; the file can't be written.
    pub(crate) fn ready(&self, making: &mut Making) -> Result<()> {
        making.await_ready()?;
        write_pid_file(self.pid_file.as_deref(), making.executor()?.pid)
    }
}
