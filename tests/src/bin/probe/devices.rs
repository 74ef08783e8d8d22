//! Which devices can be made and opened: the device rules of the cgroup, seen from inside.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat};
use serde_json::{Map, Value, json};

use super::failure;

/// Harmless ones, and some that no driver has: opening these fails with `ENXIO` if the rules allow it.
const DEVICES: [(char, u32, u32); 14] = [
    ('c', 1, 3),
    ('c', 1, 5),
    ('c', 1, 7),
    ('c', 1, 9),
    ('c', 1, 11),
    ('c', 5, 0),
    ('c', 5, 2),
    ('c', 10, 200),
    ('c', 10, 229),
    ('c', 300, 7),
    ('c', 300, 8),
    ('c', 301, 0),
    ('b', 300, 7),
    ('b', 301, 0),
];

/// Of each device what `mknod` says, and what opening the new node says; `null` if there is no place for it.
pub(super) fn rules() -> Value {
    let places = ["/tmp/.devices", "/dev/.devices", "/srv/.devices"];
    let Some(place) = places.iter().find(|place| fs::create_dir(place).is_ok()) else {
        return Value::Null;
    };
    let mut told = Map::new();
    for (kind, major, minor) in DEVICES {
        let path = format!("{place}/{kind}-{major}-{minor}");
        told.insert(format!("{kind} {major}:{minor}"), one(&path, kind, major, minor));
    }
    let _ = fs::remove_dir(place);
    told.into()
}

fn one(path: &str, kind: char, major: u32, minor: u32) -> Value {
    let file_type = if kind == 'c' { FileType::CharacterDevice } else { FileType::BlockDevice };
    let device = makedev(major, minor);
    if let Err(errno) = mknodat(CWD, path, file_type, Mode::from_raw_mode(0o666), device) {
        return json!({ "made": failure(&io::Error::from(errno)) });
    }
    let open = |options: &mut OpenOptions| {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        match options.custom_flags(flags.bits().cast_signed()).open(path) {
            Ok(_) => json!("yes"),
            Err(error) => failure(&error),
        }
    };
    let told = json!({
        "made": "yes",
        "read": open(OpenOptions::new().read(true)),
        "written": open(OpenOptions::new().write(true)),
        "both": open(OpenOptions::new().read(true).write(true)),
    });
    let _ = fs::remove_file(path);
    told
}
