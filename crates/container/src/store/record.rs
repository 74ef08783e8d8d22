//! Reads `state.json`, and changes one that runc has written.

use std::path::Path;

use coble_sys::rustix::fd::{AsFd, BorrowedFd};
use coble_sys::rustix::fs::{Mode, OFlags, openat};
use coble_sys::rustix::io::{Errno, read};
use serde_json::Value;

use super::{Entry, STATE};
use crate::error::{Error, Result};
use crate::runc;
use crate::state::Record;

impl Entry {
    /// Changes a `state.json` of runc; what is not changed stays, known or not.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Value) -> Result<()>) -> Result<()> {
        let path = self.path.join("state.json");
        let text = read_state(self.directory.as_fd(), &path)?.unwrap_or_default();
        let mut state = coble_spec::parse(&text)
            .map_err(|error| Error::new(format!("{}: {error}", path.display())))?;
        change(&mut state)?;
        self.write_json(STATE, &state)
    }
}

/// Reads `state.json`, coble's own or runc's; `None` if the container at `container` never got that far.
pub(super) fn read_record(directory: BorrowedFd<'_>, container: &Path) -> Result<Option<Record>> {
    let path = container.join("state.json");
    let Some(text) = read_state(directory, &path)? else { return Ok(None) };
    let within = |error: Error| error.within(&path.display().to_string());
    coble_spec::parse(&text).map(Some).or_else(|error| {
        let id = container.file_name().unwrap_or_default().to_string_lossy();
        match runc::record(&text, &id).map_err(within)? {
            Some(record) => Ok(Some(record)),
            None => Err(within(Error::new(error.to_string()))),
        }
    })
}

/// The text of `state.json`.
fn read_state(directory: BorrowedFd<'_>, path: &Path) -> Result<Option<Vec<u8>>> {
    let failed = |errno| Error::at("read", path, errno);
    // Whatever stands there, nothing is waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = match openat(directory, STATE, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        file => file.map_err(failed)?,
    };
    let mut text = vec![0; 8192];
    let mut length = 0;
    loop {
        match read(&file, &mut text[length..]).map_err(failed)? {
            0 => break,
            more => length += more,
        }
        if length < text.len() {
            break;
        }
        text.resize(2 * length, 0);
    }
    text.truncate(length);
    Ok(Some(text))
}
