//! Completion scripts for shells, from the table.

mod bash;
mod fish;
mod zsh;

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

/// Names of the commands, for `coble help`.
fn commands() -> String {
    let names: Vec<_> = crate::table::commands().map(|command| command.name).collect();
    names.join(" ")
}
