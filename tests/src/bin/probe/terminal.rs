//! The terminal that the process has, if it has one.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{major, minor};
use rustix::io::Errno;
use rustix::process::{getpgrp, getsid};
use rustix::termios::{isatty, tcgetattr, tcgetpgrp, tcgetsid, tcgetwinsize};
use serde_json::{Value, json};

use super::failure;

/// Of each standard stream whether it is a terminal; of standard input which one, and how it is set.
pub(super) fn told() -> Value {
    let streams = [isatty(io::stdin()), isatty(io::stdout()), isatty(io::stderr())];
    if !streams.contains(&true) {
        return json!({ "streams": streams });
    }
    json!({
        "streams": streams,
        "file": file().unwrap_or_else(|error| failure(&error)),
        "size": or_errno(tcgetwinsize(io::stdin()).map(|size| json!([size.ws_row, size.ws_col]))),
        "attributes": or_errno(attributes()),
        "is that of the own session": or_errno(session()),
        "has the own group in the foreground":
            or_errno(tcgetpgrp(io::stdin()).map(|group| json!(group == getpgrp()))),
        "/dev/tty": File::open("/dev/tty").map_or_else(|error| failure(&error), |_| json!("it opens")),
    })
}

/// Path, mode, owner and numbers.
fn file() -> io::Result<Value> {
    let data = fs::metadata("/proc/self/fd/0")?;
    let path = fs::read_link("/proc/self/fd/0")?;
    let number = data.rdev();
    Ok(json!({
        "path": path,
        "mode": format!("{:04o}", data.mode() & 0o7777),
        "owner": format!("{}:{}", data.uid(), data.gid()),
        "device": format!("{}:{}", major(number), minor(number)),
    }))
}

/// termios(3).
fn attributes() -> Result<Value, Errno> {
    let set = tcgetattr(io::stdin().as_fd())?;
    Ok(json!({
        "input": set.input_modes.bits(),
        "output": set.output_modes.bits(),
        "control": set.control_modes.bits(),
        "local": set.local_modes.bits(),
        "characters": format!("{:?}", set.special_codes),
        "speed": [set.input_speed(), set.output_speed()],
    }))
}

fn session() -> Result<Value, Errno> {
    Ok(json!(tcgetsid(io::stdin())? == getsid(None)?))
}

fn or_errno(told: Result<Value, Errno>) -> Value {
    told.unwrap_or_else(|errno| failure(&errno.into()))
}
