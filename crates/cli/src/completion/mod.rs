//! Completion scripts for shells, from the table.

mod bash;
mod fish;
mod zsh;

use crate::table::{Family, first_words};

/// The shells that there are scripts for.
pub(crate) const SHELLS: &[&str] = &["bash", "zsh", "fish"];

/// Names of signals that are worth offering.
const SIGNALS: &str = "TERM KILL INT HUP QUIT USR1 USR2 STOP CONT WINCH";

/// The script for that shell.
pub(crate) fn script(shell: &str) -> Option<String> {
    match shell {
        "bash" => Some(bash::script()),
        "zsh" => Some(zsh::script()),
        "fish" => Some(fish::script()),
        _ => None,
    }
}

/// What can be the first word, for `coble help`.
fn commands() -> String {
    let words: Vec<_> = first_words().into_iter().map(|(word, _)| word).collect();
    words.join(" ")
}

/// What can be the second word.
fn seconds(family: &Family) -> String {
    let words: Vec<_> = family.commands().map(|(word, _)| word).collect();
    words.join(" ")
}
