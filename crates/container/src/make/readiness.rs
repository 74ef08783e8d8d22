//! The way to the service manager of a container that is being made.

use std::ffi::OsStr;

use coble_spec::NamespaceKind;

use super::{Making, Purpose};
use crate::compile::listed;
use crate::error::{Error, Result};
use crate::notify::{self, Notify};
use crate::selinux::{MountLabel, refuse_inactive};

impl Making {
    /// The way to the service manager: at once where the program runs at once, else `start` opens it.
    pub(super) fn make_notify(&mut self, socket: &OsStr) -> Result<()> {
        if !listed(&self.bundle.spec).iter().any(|own| own.kind == NamespaceKind::Mount) {
            let words =
                "NOTIFY_SOCKET: a container without a mount namespace can't be given a socket";
            return Err(Error::new(words));
        }
        let linux = self.bundle.spec.linux.as_ref();
        let label = linux.map_or_else(String::new, |linux| linux.mount_label.clone());
        if !label.is_empty() {
            refuse_inactive(self.facts.has_selinux, "config.json", MountLabel::POINTER)?;
        }
        self.entry.make_notify(&label)?;
        self.bundle.spec.mounts.push(notify::mount(&self.entry));
        if self.purpose != Purpose::Create {
            self.notify = Some(Notify::begin(&self.entry, socket, &label)?);
        }
        Ok(())
    }
}
