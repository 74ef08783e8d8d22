//! crun from Debian 13 (trixie), on whatever distribution the machine has.
//!
//! The package and its libraries are unpacked into a root of their own, and crun is started through that
//! root's loader: `ld.so --library-path LIBRARIES crun ...`. crun starts itself again from a sealed copy of
//! `/proc/self/exe` with the arguments of `/proc/self/cmdline`. Here the first is the loader and the second
//! has the loader's arguments too, so the copy is one of the loader, which starts crun again: nothing has to
//! be patched, and crun pays for the same number of starts as when it is installed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::oci::Oci;
use crate::{Result, packages};

const SUITE: &str = "trixie";

/// The runtime; makes its root the first time.
pub(super) fn provide(scratch: &Path) -> Result<Oci> {
    let root = scratch.join(format!("crun-{SUITE}"));
    if !root.exists() {
        make_root(&root)?;
    }
    in_root(&root, scratch)
}

/// The runtime in a root that is there already.
pub(super) fn prepared(folder: &Path, scratch: &Path) -> Result<Oci> {
    in_root(&folder.join(format!("crun-{SUITE}")), scratch)
}

fn in_root(root: &Path, scratch: &Path) -> Result<Oci> {
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

/// Fetches the packages into a folder beside `root`, which gets its name when it is whole.
fn make_root(root: &Path) -> Result<()> {
    let debootstrap = packages::find("debootstrap").ok_or("debootstrap isn't installed")?;
    let part = root.with_extension("part");
    let told = |e: std::io::Error| format!("{}: {e}", part.display());
    if part.exists() {
        fs::remove_dir_all(&part).map_err(told)?;
    }
    println!("debootstrap {SUITE} with crun into {}", root.display());
    let log = fs::File::create(root.with_extension("log")).map_err(told)?;
    let status = Command::new(debootstrap)
        .args(["--variant=minbase", "--include=crun", SUITE])
        .arg(&part)
        .arg(mirror()?)
        .stdin(Stdio::null())
        .stdout(log)
        .status()
        .map_err(|e| format!("debootstrap: {e}"))?;
    match status.success() {
        true => fs::rename(&part, root).map_err(told),
        false => {
            Err(format!("debootstrap: {status}: see {}", root.with_extension("log").display()))
        }
    }
}

/// Where this machine's own apt takes its release's main component from.
fn mirror() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").map_err(|e| format!("os-release: {e}"))?;
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let codename = codename.ok_or("os-release has no VERSION_CODENAME")?;
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)"])
        .arg("Created-By: Packages")
        .output()
        .map_err(|e| format!("apt-get: {e}"))?;
    main_site(&String::from_utf8_lossy(&output.stdout), codename)
        .ok_or_else(|| format!("apt has no source for {codename} main"))
}

fn main_site(targets: &str, codename: &str) -> Option<String> {
    let wanted = format!(" {codename} main");
    targets.lines().find_map(|line| line.strip_suffix(&wanted)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::main_site;

    #[test]
    fn the_release_itself_is_the_source() {
        let targets = "http://a/security x-security main\nhttp://b x-updates main\n\
                       http://c x contrib\nhttp://d x main\n";
        assert_eq!(main_site(targets, "x").as_deref(), Some("http://d"));
        assert_eq!(main_site(targets, "y"), None);
    }
}
