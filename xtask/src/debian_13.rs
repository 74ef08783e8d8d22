//! Runtimes that coble is compared with: crun 1.21 and runc 1.1.15 from Debian 13 (trixie), whatever Debian the machine
//! has. They are unpacked with their libraries into a folder of the build folder; nothing is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::check::Check;
use crate::vm::address;
use crate::{Result, cargo, packages, process};

const NAME: &str = "peers";
const SUITE: &str = "trixie";

/// Half a minute on an idle machine.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// The root file system that they are in; it is made the first time.
pub(crate) fn root() -> Result<PathBuf> {
    provide().map_or_else(folder, |check| Err(check.to_string()))
}

/// The same, beside another folder of the build folder's, where none can be made.
pub(crate) fn root_beside(folder: &Path) -> PathBuf {
    folder.with_file_name(NAME)
}

fn folder() -> Result<PathBuf> {
    Ok(cargo::scratch("")?.join(NAME))
}

/// Fetches them the first time; says why if it can't. `None` if they are there.
pub(crate) fn provide() -> Option<Check> {
    let folder = match folder() {
        Ok(folder) => folder,
        Err(why) => return Some(Check::of(NAME, Err(why))),
    };
    if folder.exists() {
        return None;
    }
    if !packages::is_root() {
        return Some(Check::skipped(NAME, "needs root"));
    }
    if packages::find("mmdebstrap").is_none() {
        return Some(Check::skipped(NAME, "mmdebstrap isn't installed"));
    }
    let address = match address() {
        Ok(address) => address,
        Err(why) => return Some(Check::skipped(NAME, why)),
    };
    make(&folder, &address).err().map(|why| Check::of(NAME, Err(why)))
}

/// Unpacks them into a folder beside it, which gets its name when it is whole.
fn make(folder: &Path, address: &str) -> Result<()> {
    println!("mmdebstrap: crun and runc of {SUITE} into {}", folder.display());
    let io = |e: std::io::Error| format!("{}: {e}", folder.display());
    let part = folder.with_extension("part");
    if part.exists() {
        fs::remove_dir_all(&part).map_err(io)?;
    }
    // How apt gets at the archive from here (a proxy, say), it does for the other release as well.
    let settings = folder.with_extension("conf");
    let dump = process::output(Command::new("apt-config").args(["dump", "Acquire"]))?;
    fs::write(&settings, dump).map_err(io)?;
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--mode=root", "--format=directory", "--variant=extract"]);
    command.arg("--include=crun,runc").arg(format!("--aptopt={}", settings.display()));
    command.arg(SUITE).arg(&part).arg(address);
    process::succeed(command.stdout(Stdio::null()), DEADLINE)?;
    fs::rename(&part, folder).map_err(io)
}
