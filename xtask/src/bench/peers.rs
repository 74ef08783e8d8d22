//! Who is compared.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::crun;
use crate::oci::{DEADLINE, Oci};
use crate::{Result, cargo, debian_13, packages, process};

/// The folder of programs that are measured as install(1) leaves them.
const INSTALLED: &str = "installed";

/// One column of the table.
#[derive(Clone)]
pub(super) enum Peer {
    /// The program that makes just the system calls that a container needs; it can only `run`.
    Floor(PathBuf),
    /// A runtime.
    Oci(Oci),
    /// coble without what a benchmark adds to the plain configuration.
    Plain(Oci),
}

/// What the tables call coble without what a benchmark adds.
pub(super) const PLAIN: &str = "plain";

/// What they call the floor.
pub(super) const FLOOR: &str = "floor";

/// What they call the other runtimes.
pub(super) const OTHERS: [&str; 2] = ["crun", "runc"];

impl Peer {
    /// What the tables call it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Floor(_) => FLOOR,
            Self::Oci(runtime) => &runtime.name,
            Self::Plain(_) => PLAIN,
        }
    }

    /// The peers, and coble without what the benchmark adds.
    pub(super) fn and_plain(peers: &[Self]) -> Vec<Self> {
        let own = peers.iter().filter_map(Self::oci).find(|runtime| runtime.name == "coble");
        peers.iter().cloned().chain(own.cloned().map(Self::Plain)).collect()
    }

    /// The runtimes as a plain user runs them; their state roots are there.
    ///
    /// # Errors
    /// A state root can't be made.
    pub(super) fn of_user(peers: &[Self], user: u32) -> Result<Vec<Self>> {
        let of_user = |runtime: &Oci| {
            let runtime = runtime.of_user(user);
            runtime.make_root().map(|()| Self::Oci(runtime))
        };
        peers.iter().filter_map(Self::oci).map(of_user).collect()
    }

    /// Has systemd make its cgroups.
    pub(super) fn use_systemd(&mut self) {
        if let Self::Oci(runtime) = self {
            runtime.systemd = true;
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
            Self::Floor(_) | Self::Plain(_) => None,
            Self::Oci(runtime) => Some(runtime),
        }
    }
}

/// The program as install(1) leaves it, which the README uses, and as a package manager leaves the peers. In the
/// page cache such a file lies in large pieces; what the linker has just written lies there page by page, which
/// makes each start of it dearer, by 5 to 8 % of a `run`.
fn installed(program: &Path, scratch: &Path) -> Result<PathBuf> {
    let folder = scratch.join(INSTALLED);
    let mut install = Command::new("install");
    install.args(["-D", "-m", "755", "-t"]).arg(&folder).arg(program);
    process::succeed(&mut install, DEADLINE)?;
    Ok(folder.join(program.file_name().unwrap_or_default()))
}

/// Finds what [`build`] has left in the folder `prepared`, where nothing can be built; `scratch` is the peers' own.
pub(super) fn find(names: &[String], prepared: &Path, scratch: &Path) -> Result<Vec<Peer>> {
    let find = |name: &String| {
        Ok(Peer::Oci(match name.as_str() {
            "coble" => Oci::new(name, &prepared.join(INSTALLED).join(name), scratch),
            "crun" => crun::in_root(&debian_13::root_beside(prepared), scratch)?,
            "runc" => runc(scratch)?,
            _ => return Err(format!("{name}: no runtime that knows systemd")),
        }))
    };
    names.iter().map(find).collect()
}

fn runc(scratch: &Path) -> Result<Oci> {
    let program = packages::find("runc").ok_or("runc isn't installed")?;
    Ok(Oci::new("runc", &program, scratch))
}

/// Builds or finds each peer.
pub(super) fn build(names: &[String], scratch: &Path) -> Result<Vec<Peer>> {
    names.iter().map(|name| peer(name, scratch)).collect()
}

fn peer(name: &str, scratch: &Path) -> Result<Peer> {
    Ok(match name {
        FLOOR => Peer::Floor(installed(&cargo::release("coble-bench", "floor")?, scratch)?),
        "coble" => {
            let program = installed(&cargo::release("coble", "coble")?, scratch)?;
            Peer::Oci(Oci::new(name, &program, scratch))
        }
        "crun" => Peer::Oci(crun::in_root(&debian_13::root()?, scratch)?),
        "runc" => Peer::Oci(runc(scratch)?),
        _ => return Err(format!("unknown peer {name}: there are floor, coble, crun, runc")),
    })
}
