//! The chores' own command lines: `--name value` and `--switch`.

use std::str::FromStr;

use crate::Result;

/// What follows the chore's name. Every flag must be taken before [`Flags::end`] or [`Flags::rest`].
pub(crate) struct Flags(Vec<String>);

impl Flags {
    /// The words after the chore's name.
    pub(crate) fn new(words: &[String]) -> Self {
        Self(words.to_vec())
    }

    /// Takes `--name`; was it there?
    pub(crate) fn switch(&mut self, name: &str) -> bool {
        let found = self.0.iter().position(|word| word == name);
        if let Some(at) = found {
            self.0.remove(at);
        }
        found.is_some()
    }

    /// Takes `--name value`; `None` if the flag isn't there.
    pub(crate) fn value<T: FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        let Some(at) = self.0.iter().position(|word| word == name) else {
            return Ok(None);
        };
        if at + 1 == self.0.len() {
            return Err(format!("{name} needs a value"));
        }
        let value = self.0.drain(at..at + 2).next_back().unwrap_or_default();
        value.parse().map(Some).map_err(|_| format!("{name}: {value} isn't what it takes"))
    }

    /// Takes all that is left, which must not be flags.
    pub(crate) fn rest(self) -> Result<Vec<String>> {
        match self.0.iter().find(|word| word.starts_with('-')) {
            None => Ok(self.0),
            Some(word) => Err(format!("unknown argument: {word}")),
        }
    }

    /// Refuses what nobody took.
    pub(crate) fn end(self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(word) => Err(format!("unknown argument: {word}")),
        }
    }
}
