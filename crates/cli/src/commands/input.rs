//! What a command is given in a file, or on standard input.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use serde::Deserialize;

use crate::failure::Failure;

/// No profile, list of mounts or section of a configuration has more bytes.
const MOST: u64 = 4 << 20;

/// All of it.
pub(super) struct Input {
    /// What people call it.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

impl Input {
    /// A file's content, or what comes on standard input if the word is `-`.
    ///
    /// # Errors
    /// It can't be read, or is too much.
    pub(super) fn read(word: &OsStr) -> Result<Self, Failure> {
        if word != "-" {
            return Self::of_file(Path::new(word));
        }
        let name = "standard input";
        let stdin = io::stdin().as_fd().try_clone_to_owned();
        Self::take(name.to_owned(), stdin.map_err(|error| Failure::io(name, &error))?.into())
    }

    /// A file's content, whatever it is called.
    ///
    /// # Errors
    /// The same.
    pub(super) fn of_file(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Failure::io(&name, &error))?;
        Self::take(name, file)
    }

    fn take(name: String, file: File) -> Result<Self, Failure> {
        let mut bytes = Vec::new();
        let read = file.take(MOST + 1).read_to_end(&mut bytes);
        match read.map_err(|error| Failure::io(&name, &error))? as u64 {
            count if count > MOST => Err(Failure::at(name, format!("more than {MOST} bytes"))),
            _ => Ok(Self { name, bytes }),
        }
    }

    /// The JSON value that it is.
    ///
    /// # Errors
    /// It is none, or not of this type.
    pub(super) fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        coble_spec::parse(&self.bytes).map_err(|error| Failure::at(&self.name, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_refused() {
        let path = std::env::temp_dir().join(format!("coble-input-{}", std::process::id()));
        let read = |length| {
            File::create(&path).unwrap().set_len(length).unwrap();
            Input::read(path.as_os_str()).map(|input| input.bytes.len() as u64)
        };
        let (most, more) = (read(MOST), read(MOST + 1));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(most.unwrap(), MOST);
        let message = format!("{}: more than 4194304 bytes", path.display());
        assert_eq!(more.unwrap_err().message, message);
    }
}
