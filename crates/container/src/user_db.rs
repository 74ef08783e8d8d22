//! Home directories from a passwd(5) file that nobody vouches for.

use std::io::{self, ErrorKind, Read};

/// How much of a file is looked at. No real one is that long; a hostile one may never end.
const MAX_FILE: u64 = 16 << 20;
/// PATH_MAX of `linux/limits.h`, and so the longest home that can be entered.
const MAX_HOME: usize = 4096;
/// More digits than a user id has.
const MAX_ID: usize = 16;

const ID_FIELD: usize = 2;
const HOME_FIELD: usize = 5;

/// The home directory of the user with the number `uid`, as the first line with that number in the third
/// field has it. Names are never looked at, so a user called `1000` is nobody's number (CVE-2016-3697).
///
/// Needs a few kilobytes of memory however the lines look. `None` if no line fits, or if the first that does
/// has no home that could be an environment variable's value: an empty one, one with a NUL, or one longer
/// than 4096 bytes. What stands behind the first 16 MiB isn't looked at.
///
/// # Errors
/// Those of `reader`.
pub fn home_of(uid: u32, reader: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut reader = reader.take(MAX_FILE);
    let mut line = Line::default();
    let mut buffer = [0; 4096];
    loop {
        let length = match reader.read(&mut buffer) {
            Ok(0) => return Ok(line.home_if(uid).flatten()),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for &byte in &buffer[..length] {
            if byte != b'\n' {
                line.push(byte);
            } else if let Some(home) = line.home_if(uid) {
                return Ok(home);
            } else {
                line.clear();
            }
        }
    }
}

/// The part of a line that matters, as far as it has been read.
#[derive(Default)]
struct Line {
    /// How many bytes have been read.
    length: usize,
    /// How many of them were colons.
    field: usize,
    comment: bool,
    id: Vec<u8>,
    home: Vec<u8>,
}

impl Line {
    fn push(&mut self, byte: u8) {
        self.comment |= self.length == 0 && byte == b'#';
        self.length += 1;
        match (byte, self.field) {
            (b':', _) => self.field += 1,
            // One byte too many is kept, to tell the field that is too long.
            (_, ID_FIELD) if self.id.len() <= MAX_ID => self.id.push(byte),
            (_, HOME_FIELD) if self.home.len() <= MAX_HOME => self.home.push(byte),
            _ => {}
        }
    }

    fn clear(&mut self) {
        (self.length, self.field, self.comment) = (0, 0, false);
        self.id.clear();
        self.home.clear();
    }

    /// `None` if the line isn't that user's; otherwise the home, if it is a possible one.
    fn home_if(&mut self, uid: u32) -> Option<Option<Vec<u8>>> {
        if self.comment || number(&self.id) != Some(uid) {
            return None;
        }
        let home = std::mem::take(&mut self.home);
        Some((!home.is_empty() && home.len() <= MAX_HOME && !home.contains(&0)).then_some(home))
    }
}

/// Decimal digits and nothing else; a field that was cut off is none.
fn number(text: &[u8]) -> Option<u32> {
    let plain = text.len() <= MAX_ID && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}

#[cfg(test)]
mod tests;
