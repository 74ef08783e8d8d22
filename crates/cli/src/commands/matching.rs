//! `--regex`: one command for all containers whose names match.

use regex_lite::Regex;

use crate::call::Call;
use crate::failure::Failure;
use crate::table::Flag;

pub(crate) const REGEX: Flag = Flag::switch(
    "regex",
    None,
    "ID is a regular expression: do it to every container whose name has a match",
);

/// Does something to the container that the command names, or with [`REGEX`] to each whose name matches, in the order of
/// names. One that fails is a warning then, and the others are done all the same.
///
/// # Errors
/// The expression or the state folder can't be read; with the flag, also if one of the containers fails.
pub(super) fn each(
    call: &Call,
    mut act: impl FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let id = call.id()?;
    if !call.flags.has(&REGEX) {
        return act(id);
    }
    let regex = Regex::new(id)
        .map_err(|error| Failure::new(format!("invalid regular expression {id:?}: {error}")))?;
    let names = coble_container::names(&call.root()?)?;
    let names: Vec<_> = names.iter().filter(|name| regex.is_match(name)).collect();
    let mut failed = 0;
    for name in &names {
        if let Err(failure) = act(name) {
            call.log.warning(&failure.message);
            failed += 1;
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{failed} of {} matching containers failed", names.len()))),
    }
}
