//! The plain user that root's tests run as.

use std::process::Command;
use std::sync::OnceLock;

/// Its name.
pub const PLAIN_NAME: &str = "coble-plain";

/// User and group of the plain user that root's tests make.
pub const PLAIN_ID: u32 = 54321;

/// Has useradd(8) make the user, once and for good, without ranges of ids; the error is why it can't be.
pub(crate) fn make() -> Result<(), String> {
    static MADE: OnceLock<Result<(), String>> = OnceLock::new();
    MADE.get_or_init(|| if exists() { Ok(()) } else { add() }).clone()
}

fn exists() -> bool {
    let entry = Command::new("getent").args(["passwd", &PLAIN_ID.to_string()]).output();
    entry.is_ok_and(|output| output.status.success())
}

fn add() -> Result<(), String> {
    let ranges = ["--key", "SUB_UID_COUNT=0", "--key", "SUB_GID_COUNT=0"];
    let plain = ["--no-log-init", "--no-create-home", "--user-group", "--uid"];
    let mut useradd = Command::new("useradd");
    let useradd = useradd.args(ranges).args(plain).args([&PLAIN_ID.to_string(), PLAIN_NAME]);
    let output = useradd.output().map_err(|error| format!("needs useradd: {error}"))?;
    // Another program's tests may have been faster.
    match output.status.success() || exists() {
        true => Ok(()),
        false => {
            let why = String::from_utf8_lossy(&output.stderr);
            Err(format!("useradd can't make a user: {}", why.trim()))
        }
    }
}
