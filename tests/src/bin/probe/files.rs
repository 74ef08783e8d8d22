//! What files are, and what the process may do with them.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{OFlags, major, minor};
use serde_json::{Map, Value, json};

use super::failure;

/// How much of a file is told.
const LENGTH: u64 = 200;

/// Everything below `top`, but for what belongs to file systems that are mounted there.
pub(super) fn tree(top: &str) -> Value {
    let mut told = Map::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let path = path.to_string_lossy().into_owned();
            if let Ok(data) = fs::symlink_metadata(&path)
                && data.is_dir()
            {
                folders.push(path.clone());
            }
            told.insert(path.clone(), one(&path));
        }
    }
    told.into()
}

/// Type, mode, owner, and numbers of a device or target of a link.
pub(super) fn one(path: &str) -> Value {
    let data = match fs::symlink_metadata(path) {
        Ok(data) => data,
        Err(error) => return failure(&error),
    };
    let mut words = vec![kind(&data).to_owned()];
    if !data.is_symlink() {
        words.push(format!("{:04o}", data.mode() & 0o7777));
    }
    words.push(format!("{}:{}", data.uid(), data.gid()));
    if data.file_type().is_char_device() || data.file_type().is_block_device() {
        words.push(format!("{}:{}", major(data.rdev()), minor(data.rdev())));
    }
    if let Ok(target) = fs::read_link(path) {
        // A link such as /proc/self leads to a number.
        words.push(format!("-> {}", target.to_string_lossy()));
    }
    words.join(" ").into()
}

/// The type of a file.
pub(super) fn kind(data: &Metadata) -> &'static str {
    let kind = data.file_type();
    match kind {
        _ if kind.is_dir() => "folder",
        _ if kind.is_file() => "file",
        _ if kind.is_symlink() => "link",
        _ if kind.is_char_device() => "character device",
        _ if kind.is_block_device() => "block device",
        _ if kind.is_fifo() => "fifo",
        _ => "socket",
    }
}

/// Each path: what it is, what it leads to, and what comes of reading and writing.
pub(super) fn paths(paths: &[&str]) -> Value {
    let told = paths.iter().map(|path| {
        let facts = json!({
            "is": one(path),
            "leads to": fs::canonicalize(path).map_or_else(|error| failure(&error), |at| json!(at)),
            "read": read(path),
            "written": write(path).map_or_else(|error| failure(&error), |()| json!("yes")),
        });
        ((*path).to_owned(), facts)
    });
    Value::Object(told.collect())
}

/// Doesn't wait where a device or a fifo would.
fn open(options: &mut OpenOptions, path: &str) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.custom_flags(flags.bits().cast_signed()).open(path)
}

/// The names in a folder, the beginning of a small file; that a device can be opened.
fn read(path: &str) -> Value {
    let Ok(data) = fs::metadata(path) else { return one(path) };
    if data.is_dir() {
        // What is in these changes all the time.
        if path.starts_with("/proc") || path.starts_with("/sys") {
            return fs::read_dir(path).map_or_else(|error| failure(&error), |_| json!("a folder"));
        }
        return names(path).unwrap_or_else(|error| failure(&error));
    }
    let file = match open(OpenOptions::new().read(true), path) {
        Ok(file) => file,
        Err(error) => return failure(&error),
    };
    let changing = path.starts_with("/proc/") && !path.starts_with("/proc/sys/");
    if !data.is_file() || changing {
        return json!("it opens");
    }
    let mut text = Vec::new();
    match file.take(LENGTH).read_to_end(&mut text) {
        Ok(_) => String::from_utf8_lossy(&text).into(),
        Err(error) => failure(&error),
    }
}

fn names(path: &str) -> io::Result<Value> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // What a folder in it is like is told of its own path.
        let kind = kind(&entry.metadata()?);
        names.push(format!("{} {kind}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    Ok(names.into())
}

/// Makes something in a folder and removes it; opens a file and writes nothing.
fn write(path: &str) -> io::Result<()> {
    if Path::new(path).is_dir() {
        let new = format!("{path}/.probe");
        fs::create_dir(&new)?;
        return fs::remove_dir(&new);
    }
    open(OpenOptions::new().write(true), path).map(drop)
}
