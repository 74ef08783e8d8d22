//! Attacks by an image on devices: where they are put, and what stands in the place of one.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use coble_tests::{Case, ConsoleSocket};
use rustix::fs::inotify;

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
