//! The socket that a container sends notifications to, sd_notify(3).

use std::ffi::CStr;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use coble_sys::rustix::fs::{AtFlags, Mode, XattrFlags, chmodat, mkdirat, setxattr, unlinkat};
use coble_sys::rustix::io::Errno;

use super::Entry;
use crate::error::{Error, Result};
use crate::selinux::ATTRIBUTE;

const DIRECTORY: &CStr = c"notify";
const SOCKET: &CStr = c"notify/notify.sock";

impl Entry {
    /// Makes the socket's directory. Whoever the program runs as may go through it; what is mounted of it in the
    /// container can't be written to. `label` is its SELinux context; empty for the one that it has by itself.
    pub(crate) fn make_notify(&self, label: &str) -> Result<()> {
        let mode = Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH;
        mkdirat(&self.directory, DIRECTORY, Mode::RWXU)
            // Whatever the caller's umask is.
            .and_then(|()| chmodat(&self.directory, DIRECTORY, mode, AtFlags::empty()))
            .map_err(|errno| self.failed("make", DIRECTORY, errno))?;
        self.label(DIRECTORY, label)
    }

    /// The path of that directory.
    pub(crate) fn notify_directory(&self) -> PathBuf {
        self.path.join("notify")
    }

    /// Binds the socket in it, for everybody to write to, with the same context.
    pub(crate) fn bind_notify(&self, label: &str) -> Result<UnixDatagram> {
        // Of a start that failed.
        self.unlink(&[SOCKET])?;
        let path = self.socket_path("notify/notify.sock");
        let socket = UnixDatagram::bind(&path).map_err(|error| {
            Error::at("bind", self.notify_directory().join("notify.sock"), error)
        })?;
        let all = Mode::RWXU | Mode::RWXG | Mode::RWXO;
        chmodat(&self.directory, SOCKET, all, AtFlags::empty())
            .map_err(|errno| self.failed("chmod", SOCKET, errno))?;
        self.label(SOCKET, label)?;
        Ok(socket)
    }

    pub(super) fn remove_notify(&self) -> Result<()> {
        self.unlink(&[SOCKET])?;
        match unlinkat(&self.directory, DIRECTORY, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed("remove", DIRECTORY, errno)),
        }
    }

    /// Without the container's context a policy would keep its program away.
    fn label(&self, name: &CStr, label: &str) -> Result<()> {
        if label.is_empty() {
            return Ok(());
        }
        let path = self.socket_path(&name.to_string_lossy());
        setxattr(path, ATTRIBUTE, label.as_bytes(), XattrFlags::empty())
            .map_err(|errno| self.failed("label", name, errno))
    }
}
