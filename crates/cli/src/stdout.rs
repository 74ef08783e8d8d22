//! What a command prints.

use std::io::{self, ErrorKind, Write as _};

use crate::failure::Failure;

/// Writes all of `bytes` to standard output.
///
/// A reader that has gone away (`coble list | head -1`) wants no more, and so that is no error.
pub(crate) fn print(bytes: &[u8]) -> Result<(), Failure> {
    offer(bytes).map(|_| ())
}

/// The same; says whether there is still a reader, for a command that has more to print later.
pub(crate) fn offer(bytes: &[u8]) -> Result<bool, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::io("standard output", &error)),
    }
}
