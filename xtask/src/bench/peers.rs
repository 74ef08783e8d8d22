//! Who is compared.

use std::path::{Path, PathBuf};

use super::crun;
use crate::oci::Oci;
use crate::{Result, cargo, packages};

/// One column of the table.
pub(super) enum Peer {
    /// The program that makes just the system calls that a container needs; it can only `run`.
    Floor(PathBuf),
    /// A runtime.
    Oci(Oci),
}

impl Peer {
    /// What the tables call it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Floor(_) => "floor",
            Self::Oci(runtime) => &runtime.name,
        }
    }

    /// Keeps its state under `folder`.
    pub(super) fn keep_state_in(&mut self, folder: &Path) {
        if let Self::Oci(runtime) = self {
            runtime.root = folder.join(&runtime.name);
        }
    }

    /// The runtime, if it is one.
    pub(super) fn oci(&self) -> Option<&Oci> {
        match self {
            Self::Floor(_) => None,
            Self::Oci(runtime) => Some(runtime),
        }
    }
}

/// Builds or finds each peer.
pub(super) fn build(names: &[String], scratch: &Path) -> Result<Vec<Peer>> {
    names.iter().map(|name| peer(name, scratch)).collect()
}

fn peer(name: &str, scratch: &Path) -> Result<Peer> {
    Ok(match name {
        "floor" => Peer::Floor(cargo::release("coble-bench", "floor")?),
        "coble" => Peer::Oci(Oci::new(name, &cargo::release("coble", "coble")?, scratch)),
        "crun" => Peer::Oci(crun::provide(scratch)?),
        "runc" => {
            let program = packages::find("runc").ok_or("runc isn't installed")?;
            Peer::Oci(Oci::new(name, &program, scratch))
        }
        _ => return Err(format!("unknown peer {name}: there are floor, coble, crun, runc")),
    })
}
