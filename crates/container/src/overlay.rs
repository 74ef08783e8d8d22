//! `coble try`: a command in a container over the host's own files, whose changes are thrown away.
//!
//! It writes an ordinary bundle and runs it like any other. The root file system is a skeleton of the host's `/`
//! with an overlay for each part ([`layout`]); what the container changes lies in the bundle too, in `layers`.

mod bundle;
mod config;
mod host;
mod layout;
mod points;
mod resolvers;
mod scratch;

use std::fs;
use std::path::{Path, PathBuf};

use coble_spec::Seccomp;

use crate::error::{Error, Result};
use crate::foreground::Signals;
use crate::{Create, Finished, Observe, Run, UserNetwork};
use bundle::Bundle;
use host::Host;
use scratch::Scratch;

/// A command to try.
#[derive(Clone, Debug)]
pub struct Try {
    /// The state folder as for [`Create::root`]; a temporary one if there is none.
    pub root: Option<PathBuf>,
    /// Where to leave the bundle: a directory that is empty or not there yet.
    pub keep: Option<PathBuf>,
    /// The filter of system calls, if there is to be one.
    pub seccomp: Option<Seccomp>,
    /// Whether a cgroup may be missing, as for [`Create::rootless`].
    pub rootless: Option<bool>,
    /// What connects the container with the host's network; without it there is none but loopback.
    pub network: Option<UserNetwork>,
    /// What to find out about the program's system calls.
    pub observe: Observe,
    /// The program and its arguments; the caller's shell if empty.
    pub command: Vec<String>,
}

impl Try {
    /// Makes the bundle, runs it, waits for the end, and removes the bundle if it isn't to be kept.
    /// Returns what came of it as [`Run::execute`] does, and takes the process into service as that does.
    ///
    /// # Errors
    /// The directory to keep isn't empty, no directory for the changes can be made, or what [`Run::execute`]
    /// fails with.
    pub fn execute(&self) -> Result<Finished> {
        let host = Host::look()?;
        let id = unused_id();
        // A signal that comes before the container does is passed on to it; one that comes later finds nothing
        // left to remove.
        let _held = Signals::take(false)?;
        let scratch = match &self.keep {
            Some(directory) => Scratch::take(directory),
            None => Scratch::make(&host.places(), &format!("coble-{id}"), host.facts.is_rootless()),
        };
        let scratch = scratch.map_err(|(path, error)| Error::at("use", path, error))?;
        let (path, command) = (scratch.path(), &self.command[..]);
        let written = Bundle {
            path,
            host: &host,
            seccomp: self.seccomp.as_ref(),
            network: self.network.is_some(),
            command,
        }
        .write();
        let remove = self.keep.is_none() || written.is_err();
        let result = written.and_then(|()| self.run(scratch.path(), id));
        let path = scratch.path().to_owned();
        let removed = if remove { scratch.remove() } else { Ok(()) };
        // Of two errors the first one is the cause.
        result.and_then(|finished| {
            removed.map(|()| finished).map_err(|error| Error::at("remove", path, error))
        })
    }

    fn run(&self, bundle: &Path, id: String) -> Result<Finished> {
        let own_root = bundle.join("state");
        let create = Create {
            root: self.root.clone().unwrap_or_else(|| own_root.clone()),
            id,
            bundle: bundle.to_owned(),
            rootless: self.rootless,
            ..Create::default()
        };
        let observe = self.observe.clone();
        let result = Run { create, observe, ..Run::default() }.stay(self.network.as_ref());
        // Empty now and of no use in a bundle to keep; or, after an error, neither.
        let _ = fs::remove_dir(own_root);
        result
    }
}

/// A name for the container that no other one has.
fn unused_id() -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("try-{}-{:x}", std::process::id(), now.as_micros())
}
