//! Attacks by an image on devices: where they are put, and what stands in the place of one.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::symlink;

use coble_tests::{Case, ConsoleSocket};
use rustix::fs::{CWD, FileType, Mode, inotify, makedev, mknodat};
use serde_json::json;

#[test]
fn what_stands_for_the_terminal_is_not_opened() {
    let Some(case) = Case::root() else { return };
    let mut bundle = case.bundle();
    for point in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
        bundle.without_mount(point);
    }
    fs::create_dir_all(bundle.inside("/dev/pts")).unwrap();
    let forged = bundle.inside("/dev/pts/ptmx");
    fs::write(&forged, "").unwrap();
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, &forged, inotify::WatchFlags::OPEN).unwrap();
    let is_opened = || rustix::io::read(&watch, &mut [0; 256][..]).is_ok();
    drop(fs::File::open(&forged).unwrap());
    assert!(is_opened(), "an open is seen");
    bundle.config["process"]["terminal"] = true.into();
    bundle.writable().write();
    let socket = ConsoleSocket::new(&case.dir.join("console"));
    let create = case.coble().arg("create").arg("--console-socket").arg(&socket.path);
    let create = create.arg("--bundle").arg(&bundle.path).arg(&case.id);
    case.refuses(create, &["not a terminal multiplexer"]);
    assert!(!is_opened(), "it was opened");
}

#[test]
fn a_device_is_not_put_over_the_kernels_words() {
    let Some(case) = Case::root() else { return };
    let device = case.dir.join("devices/uptime");
    fs::create_dir(device.parent().unwrap()).unwrap();
    mknodat(CWD, &device, FileType::CharacterDevice, Mode::from(0o666), makedev(1, 3)).unwrap();
    let mut bundle = case.bundle();
    // In a user namespace it is the host's that is mounted.
    bundle.user_namespace(100_000, 65536).args(&["cat", "/proc/uptime"]);
    let inside = bundle.inside(case.dir.to_str().unwrap());
    fs::create_dir_all(&inside).unwrap();
    symlink("/proc", inside.join("devices")).unwrap();
    case.give_rootfs(&bundle, 100_000);
    bundle.config["linux"]["devices"] =
        json!([{"path": device.to_str().unwrap(), "type": "c", "major": 1, "minor": 3}]);
    case.refuses(case.run(&bundle), &["the mount point lies inside a procfs"]);
}
