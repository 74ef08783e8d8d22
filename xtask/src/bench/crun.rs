//! crun of another distribution's root, such as Debian 13's, started through that root's loader:
//! `ld.so --library-path LIBRARIES crun ...`. crun starts itself again from a sealed copy of
//! `/proc/self/exe` with the arguments of `/proc/self/cmdline`. Here the first is the loader and the second
//! has the loader's arguments too, so the copy is one of the loader, which starts crun again: nothing has to
//! be patched, and crun pays for the same number of starts as when it is installed.

use std::path::Path;

use crate::Result;
use crate::oci::Oci;

/// The runtime in that root.
pub(super) fn in_root(root: &Path, scratch: &Path) -> Result<Oci> {
    let usr = root.join("usr");
    let (loader, libraries) = platform()?;
    let mut crun = Oci::new("crun", &usr.join(loader), scratch);
    crun.words.extend(["--library-path".into(), usr.join("lib").join(libraries).into()]);
    crun.words.push(usr.join("bin/crun").into());
    Ok(crun)
}

/// The loader below `/usr` and the folder of the libraries, by architecture.
fn platform() -> Result<(&'static str, &'static str)> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(("lib64/ld-linux-x86-64.so.2", "x86_64-linux-gnu")),
        "aarch64" => Ok(("lib/ld-linux-aarch64.so.1", "aarch64-linux-gnu")),
        other => Err(format!("no crun for {other}")),
    }
}
