//! The machine's root: a small Debian in one read-only file.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::archive::Archive;
use crate::{Result, process};

/// Under a minute on an idle machine.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// What the tests call, and what a system with user sessions consists of.
const PACKAGES: [&str; 15] = [
    "apparmor",
    "busybox-static",
    "dbus",
    "dbus-user-session",
    "iproute2",
    "kmod",
    "libpam-systemd",
    "procps",
    "runc",
    "strace",
    "systemd",
    "systemd-sysv",
    "udev",
    "uidmap",
    "util-linux",
];

/// The packages of `--selinux`.
const SELINUX: [&str; 3] = ["policycoreutils", "selinux-policy-default", "selinux-utils"];

/// Merges `/usr` from the start where the release wants it; the package that does it afterwards takes much longer.
const MERGED_USR: &str = "/usr/share/mmdebstrap/hooks/maybe-merged-usr";

/// Prepares the tree, whose path is its argument.
pub(super) const PREPARE: &str = include_str!("guest/prepare");

/// What decides about a root's content; another recipe makes another root.
pub(super) fn recipe(selinux: bool) -> String {
    format!("{PREPARE}{}", packages(selinux).join(","))
}

fn packages(selinux: bool) -> Vec<&'static str> {
    let more: &[&str] = if selinux { &SELINUX } else { &[] };
    PACKAGES.iter().chain(more).copied().collect()
}

/// Fills `folder` with the file `root.erofs`.
pub(super) fn build(archive: &Archive, selinux: bool, folder: &Path) -> Result<()> {
    let io = |e: std::io::Error| e.to_string();
    let tree = folder.join("tree");
    let (list, prepare) = (folder.join("sources.list"), folder.join("prepare"));
    fs::write(&list, &archive.sources).map_err(io)?;
    fs::write(&prepare, PREPARE).map_err(io)?;
    // How apt gets at the archive from here (a proxy, say), it does in the tree as well.
    let dump = process::output(Command::new("apt-config").args(["dump", "Acquire"]))?;
    let settings = folder.join("apt.conf");
    fs::write(&settings, dump).map_err(io)?;
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--mode=root", "--format=directory", "--variant=minbase"]);
    command.arg(format!("--include={}", packages(selinux).join(",")));
    command.arg(format!("--aptopt={}", settings.display()));
    command.arg(format!("--hook-dir={MERGED_USR}"));
    for part in ["man", "doc", "locale", "info"] {
        command.arg(format!("--dpkgopt=path-exclude=/usr/share/{part}/*"));
    }
    // The tree is thrown away after a crash: nothing of it has to reach the disk.
    command.arg("--dpkgopt=force-unsafe-io");
    command.arg(format!("--customize-hook=sh '{}' \"$1\"", prepare.display()));
    command.arg(&archive.release).arg(&tree).arg(&list);
    // What is said on the way is of no use; errors come on standard error.
    process::succeed(command.stdout(Stdio::null()), DEADLINE)?;
    let mut pack = Command::new("mkfs.erofs");
    pack.arg("-d0").arg("-zlz4").arg(folder.join("root.erofs")).arg(&tree);
    process::succeed(pack.stdout(Stdio::null()), DEADLINE)?;
    fs::remove_dir_all(tree).map_err(io)
}
