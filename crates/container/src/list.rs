//! `list`: what is in the state folder.

use std::path::Path;

use crate::error::{Error, Result};
use crate::state::State;
use crate::status::state;
use crate::store::ids;

/// The containers of a state folder by name, and a warning for each that can't be read.
///
/// # Errors
/// The folder can't be read.
pub fn list(root: &Path) -> Result<(Vec<State>, Vec<Error>)> {
    let (mut states, mut warnings) = (Vec::new(), Vec::new());
    for id in ids(root)? {
        match state(root, &id) {
            Ok(state) => states.push(state),
            Err(error) => warnings.push(error.within(&id)),
        }
    }
    Ok((states, warnings))
}

/// The names of the containers of a state folder, sorted: of those, too, whose state can't be read.
///
/// # Errors
/// The folder can't be read.
pub fn names(root: &Path) -> Result<Vec<String>> {
    ids(root)
}
