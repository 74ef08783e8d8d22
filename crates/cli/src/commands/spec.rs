//! `coble spec`

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::create::BUNDLE;
use crate::call::Call;
use crate::failure::Failure;
use crate::table::{Command, Flag};

const ROOTLESS: Flag =
    Flag::switch("rootless", None, "write a configuration that a plain user can run");

pub(crate) static COMMAND: Command = Command {
    name: "spec",
    summary: "write a config.json to start from",
    flags: &[BUNDLE, ROOTLESS],
    description: &[
        "Writes config.json with the defaults into the bundle: a shell on a terminal over the read-only \
         folder rootfs. An existing file is never overwritten.",
    ],
    examples: &[
        ("Make a bundle", "mkdir -p demo/rootfs && coble spec --bundle demo"),
        ("Make one for a plain user", "coble spec --bundle demo --rootless"),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let bundle = call.flags.path(&BUNDLE).unwrap_or_default();
    let text = coble_container::example_config(call.flags.has(&ROOTLESS))?;
    write(&bundle.join("config.json"), &text)?;
    Ok(0)
}

/// Writes a new file, or nothing.
fn write(path: &PathBuf, text: &[u8]) -> Result<(), Failure> {
    let failure = |error| Failure::io(path.display(), &error);
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let name = path.file_name().map_or(path.as_path(), Path::new);
            return Err(Failure::new(format!("File {} exists. Remove it first", name.display())));
        }
        opened => opened.map_err(failure)?,
    };
    file.write_all(text).map_err(|error| {
        // The write's error is the one to tell; half a file would be in the way of the next try.
        let _ = fs::remove_file(path);
        failure(error)
    })
}
