//! What a command prints.

use std::io::{self, ErrorKind, Write as _};

use crate::failure::Failure;

/// Writes all of `bytes` to standard output.
///
/// A reader that has gone away (`coble list | head -1`) wants no more, and so that is no error.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::io("standard output", &error))
        }
        _ => Ok(()),
    }
}
