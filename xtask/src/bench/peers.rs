//! Who is compared.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::crun;
use crate::oci::{DEADLINE, Oci};
use crate::{Result, cargo, packages, process};

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

/// The program as install(1) leaves it, which the README uses, and as a package manager leaves the peers. In the
/// page cache such a file lies in large pieces; what the linker has just written lies there page by page, which
/// makes each start of it dearer, by 5 to 8 % of a `run`.
fn installed(program: &Path, scratch: &Path) -> Result<PathBuf> {
    let folder = scratch.join("installed");
    let mut install = Command::new("install");
    install.args(["-D", "-m", "755", "-t"]).arg(&folder).arg(program);
    process::succeed(&mut install, DEADLINE)?;
    Ok(folder.join(program.file_name().unwrap_or_default()))
}

/// Builds or finds each peer.
pub(super) fn build(names: &[String], scratch: &Path) -> Result<Vec<Peer>> {
    names.iter().map(|name| peer(name, scratch)).collect()
}

fn peer(name: &str, scratch: &Path) -> Result<Peer> {
    Ok(match name {
        "floor" => Peer::Floor(installed(&cargo::release("coble-bench", "floor")?, scratch)?),
        "coble" => {
            let program = installed(&cargo::release("coble", "coble")?, scratch)?;
            Peer::Oci(Oci::new(name, &program, scratch))
        }
        "crun" => Peer::Oci(crun::provide(scratch)?),
        "runc" => {
            let program = packages::find("runc").ok_or("runc isn't installed")?;
            Peer::Oci(Oci::new(name, &program, scratch))
        }
        _ => return Err(format!("unknown peer {name}: there are floor, coble, crun, runc")),
    })
}
