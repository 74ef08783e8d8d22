//! A root file system of busybox alone.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The static busybox that the package busybox-static installs.
///
/// # Panics
/// When it isn't installed: `cargo xtask test` installs it.
#[must_use]
pub fn busybox() -> PathBuf {
    let path = Path::new("/bin/busybox");
    assert!(path.exists(), "/bin/busybox is missing: install the package busybox-static");
    path.to_owned()
}

fn applets() -> &'static [String] {
    static APPLETS: OnceLock<Vec<String>> = OnceLock::new();
    APPLETS.get_or_init(|| {
        let list = Command::new(busybox()).arg("--list").output().expect("busybox --list");
        let names = String::from_utf8(list.stdout).expect("names of applets");
        names.lines().filter(|name| *name != "busybox").map(str::to_owned).collect()
    })
}

/// Makes `path`, a root file system with busybox in `/bin`, every applet as a link, and the folders that an
/// image has. There is no `/dev`, `/proc` or `/sys`: the runtime makes mount points.
///
/// # Panics
/// When a file can't be made.
pub fn rootfs(path: &Path) {
    for folder in ["bin", "etc", "tmp", "root", "usr", "var"] {
        fs::create_dir_all(path.join(folder)).expect("a folder");
    }
    let bin = path.join("bin");
    fs::copy(busybox(), bin.join("busybox")).expect("busybox");
    for applet in applets() {
        symlink("busybox", bin.join(applet)).expect("an applet");
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/home/guest:/bin/sh\n";
    fs::write(path.join("etc/passwd"), passwd).expect("passwd");
    fs::write(path.join("etc/group"), "root:x:0:\nguest:x:1000:\n").expect("group");
}
