//! What the tests need from the distribution.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::check::Check;
use crate::{Result, elf};

/// A Debian package and the program, or the file, that shows that it (or another distribution's like it) is there.
struct Package(&'static str, &'static str);

/// What filters of system calls are compared with.
pub(crate) const LIBSECCOMP: &str = "/usr/lib/x86_64-linux-gnu/libseccomp.a";

/// Everything the tests call. A test that misses one of them is skipped by name.
const PACKAGES: [Package; 18] = [
    Package("busybox-static", "busybox"),
    Package("containerd", "containerd"),
    Package("docker.io", "dockerd"),
    Package("fish", "fish"),
    Package("iproute2", "ip"),
    Package("iptables", "iptables"),
    Package("libseccomp-dev", LIBSECCOMP),
    Package("man-db", "man"),
    Package("mmdebstrap", "mmdebstrap"),
    Package("passt", "pasta"),
    Package("podman", "podman"),
    Package("procps", "ps"),
    Package("runc", "runc"),
    Package("slirp4netns", "slirp4netns"),
    Package("strace", "strace"),
    Package("uidmap", "newuidmap"),
    Package("util-linux", "unshare"),
    Package("zsh", "zsh"),
];

/// What the benchmarks call.
const BENCHMARK: [Package; 4] = [
    Package("busybox-static", "busybox"),
    Package("mmdebstrap", "mmdebstrap"),
    Package("runc", "runc"),
    Package("util-linux", "unshare"),
];

/// What the virtual machine is made with, besides QEMU.
const MACHINE: [Package; 6] = [
    Package("busybox-static", "busybox"),
    Package("erofs-utils", "mkfs.erofs"),
    Package("kmod", "depmod"),
    Package("mmdebstrap", "mmdebstrap"),
    Package("util-linux", "setpriv"),
    Package("zstd", "zstd"),
];

/// Installs what the tests miss, or says how to; `None` if everything is there.
pub(crate) fn provide() -> Option<Check> {
    install(&missing(&PACKAGES))
}

/// Installs what the benchmarks miss, or says how to; `None` if everything is there.
pub(crate) fn provide_for_benchmarks() -> Option<Check> {
    install(&missing(&BENCHMARK))
}

/// Installs what making a virtual machine misses, or says how to; `None` if everything is there.
pub(crate) fn provide_for_machine() -> Option<Check> {
    install(&missing(&MACHINE))
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

fn install(names: &[&str]) -> Option<Check> {
    const NAME: &str = "packages";
    if names.is_empty() {
        return None;
    }
    let names = names.join(" ");
    let line = format!("apt-get install --yes --no-install-recommends {names}");
    let debian = Path::new("/etc/debian_version").exists() && find("apt-get").is_some();
    if !debian {
        return Some(Check::skipped(NAME, format!("missing here: {names}")));
    }
    if !is_root() {
        return Some(Check::skipped(NAME, format!("missing; to install them run as root: {line}")));
    }
    println!("{line}");
    let mut args = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    args.extend(names.split(' '));
    // A fresh image has no package lists, and old lists name files that are gone.
    let done = apt(&args).or_else(|_| apt(&["update", "--quiet"]).and_then(|()| apt(&args)));
    done.err().map(|why| Check::of(NAME, Err(why)))
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
