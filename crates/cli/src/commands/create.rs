//! `coble create`

use std::ffi::OsString;
use std::path::PathBuf;

use coble_container::{Activation, Create};

use crate::call::{Call, CgroupManager};
use crate::failure::Failure;
use crate::table::{Command, Flag, ID, Values};

/// Headings that commands share.
pub(crate) const ABOUT_BUNDLE: &str = "Bundle and surroundings";
pub(crate) const ABOUT_DESCRIPTORS: &str = "Terminal and descriptors";
pub(crate) const ABOUT_COMMAND: &str = "What the command does";

pub(crate) const BUNDLE: Flag = Flag::value(
    "bundle",
    Some('b'),
    ("DIR", Values::Directory),
    "folder with config.json (default: the current one)",
)
.under(ABOUT_BUNDLE);
pub(crate) const CONSOLE_SOCKET: Flag = Flag::value(
    "console-socket",
    None,
    ("SOCKET", Values::File),
    "unix socket that receives the terminal's master side",
)
.under(ABOUT_DESCRIPTORS);
pub(crate) const CONFIG: Flag = Flag::value(
    "config",
    Some('f'),
    ("FILE", Values::File),
    "configuration to take in place of config.json in the bundle",
)
.under(ABOUT_BUNDLE);
pub(crate) const PIDFD_SOCKET: Flag = Flag::value(
    "pidfd-socket",
    None,
    ("SOCKET", Values::File),
    "unix socket that receives a pidfd of the process",
)
.under(ABOUT_DESCRIPTORS);
pub(crate) const PID_FILE: Flag =
    Flag::value("pid-file", None, ("FILE", Values::File), "write the process id to FILE")
        .under(ABOUT_COMMAND);
pub(crate) const NO_PIVOT: Flag = Flag::switch(
    "no-pivot",
    None,
    "change the root without pivot_root(2), for a root on the initial ramdisk",
)
.under(ABOUT_BUNDLE);
pub(crate) const NO_NEW_KEYRING: Flag =
    Flag::switch("no-new-keyring", None, "keep the caller's session keyring").under(ABOUT_BUNDLE);
pub(crate) const PRESERVE_FDS: Flag = Flag::value(
    "preserve-fds",
    None,
    ("N", Values::Any),
    "pass N more descriptors than the standard ones and those of $LISTEN_FDS",
)
.under(ABOUT_DESCRIPTORS);

pub(crate) static COMMAND: Command = Command {
    name: "create",
    summary: "create a container whose process waits for start",
    arguments: &[ID],
    flags: &[
        BUNDLE,
        CONFIG,
        NO_PIVOT,
        NO_NEW_KEYRING,
        CONSOLE_SOCKET,
        PIDFD_SOCKET,
        PRESERVE_FDS,
        PID_FILE,
    ],
    description: &[
        "Makes a container from the bundle: a folder with config.json and, usually, the root file system. \
         Everything is set up as config.json says, but the process in it does not run before \
         \"coble start ID\".",
        "Nothing is left behind if it fails.",
    ],
    examples: &[
        ("Create a container from the bundle in /srv/web", "coble create --bundle /srv/web web"),
        ("Then let its process run", "coble start web"),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    call.warn(&from(call)?.execute()?.warnings);
    Ok(0)
}

/// What to create, for the commands that have the flags of this one.
pub(crate) fn from(call: &Call) -> Result<Create, Failure> {
    described(call, call.root()?, call.id()?)
}

/// The same under another name; what is only described needs no state folder.
pub(crate) fn described(call: &Call, root: PathBuf, id: &str) -> Result<Create, Failure> {
    let manager = call.cgroup_manager()?;
    let flags = &call.flags;
    Ok(Create {
        root,
        id: id.to_owned(),
        bundle: flags.path(&BUNDLE).unwrap_or_else(|| PathBuf::from(".")),
        config: flags.path(&CONFIG),
        no_cgroup: manager == CgroupManager::Disabled,
        systemd_cgroup: manager == CgroupManager::Systemd,
        rootless: call.rootless()?,
        pid_file: flags.path(&PID_FILE),
        console_socket: flags.path(&CONSOLE_SOCKET),
        pidfd_socket: flags.path(&PIDFD_SOCKET),
        notify_socket: notify_socket(),
        no_pivot: flags.has(&NO_PIVOT),
        no_new_keyring: flags.has(&NO_NEW_KEYRING),
        activation: Activation::from_environment(),
        preserve_fds: flags.number(&PRESERVE_FDS)?.unwrap_or(0),
        ..Create::default()
    })
}

/// The socket of the service manager that started this command, sd_notify(3).
pub(crate) fn notify_socket() -> Option<OsString> {
    std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty())
}
