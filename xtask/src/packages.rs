//! What the tests need from the distribution.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, elf};

/// A Debian package and the program that shows that it (or another distribution's like it) is there.
struct Package(&'static str, &'static str);

/// Everything the tests call. A test that misses one of them is skipped by name.
const PACKAGES: [Package; 10] = [
    Package("busybox-static", "busybox"),
    Package("containerd", "containerd"),
    Package("docker.io", "dockerd"),
    Package("iproute2", "ip"),
    Package("iptables", "iptables"),
    Package("procps", "ps"),
    Package("runc", "runc"),
    Package("strace", "strace"),
    Package("uidmap", "newuidmap"),
    Package("util-linux", "unshare"),
];

/// What the benchmarks need on top.
const BENCHMARK: [Package; 2] = [Package("debootstrap", "debootstrap"), Package("runc", "runc")];

/// Installs what the tests miss, or says how to.
pub(crate) fn provide() -> Result<()> {
    install(&missing(&PACKAGES))
}

/// Installs what the benchmarks miss, or says how to.
pub(crate) fn provide_for_benchmarks() -> Result<()> {
    let mut names = missing(&PACKAGES);
    names.extend(missing(&BENCHMARK));
    names.sort_unstable();
    names.dedup();
    install(&names)
}

fn missing(packages: &[Package]) -> Vec<&'static str> {
    packages.iter().filter(|package| !package.is_there()).map(|package| package.0).collect()
}

impl Package {
    fn is_there(&self) -> bool {
        match (self.1, find(self.1)) {
            (_, None) => false,
            // Containers have no loader, so the busybox of the package "busybox" is of no use.
            ("busybox", Some(path)) => elf::needs(&path).is_ok_and(|needs| needs.nothing()),
            _ => true,
        }
    }
}

/// Finds a program in `PATH` or where a plain user's `PATH` doesn't look.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn install(names: &[&str]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install --yes --no-install-recommends {}", names.join(" "));
    let debian = Path::new("/etc/debian_version").exists() && find("apt-get").is_some();
    if !debian {
        println!("missing, and the tests that need them are skipped: {}", names.join(" "));
        return Ok(());
    }
    if !is_root() {
        println!("missing, and the tests that need them are skipped; to install them run as root:");
        println!("  {line}");
        return Ok(());
    }
    println!("{line}");
    let mut args = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    args.extend(names);
    // A fresh image has no package lists, and old lists name files that are gone.
    apt(&args).or_else(|_| apt(&["update", "--quiet"]).and_then(|()| apt(&args)))
}

fn apt(args: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .map_err(|e| format!("apt-get: {e}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("apt-get {}: {status}", args.join(" "))),
    }
}

/// Whether this process may do what root may.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
