//! `coble completion`

use crate::call::{Call, text};
use crate::completion::{SHELLS, script};
use crate::failure::Failure;
use crate::stdout;
use crate::table::{Argument, Command, Count, Values};

pub(crate) static COMMAND: Command = Command {
    name: "completion",
    summary: "print a completion script for a shell",
    arguments: &[Argument {
        name: "SHELL",
        help: "bash, zsh or fish",
        count: Count::One,
        values: Values::Words(SHELLS),
    }],
    description: &[
        "Prints a script that completes commands, flags, their values and ids of containers.",
    ],
    examples: &[
        ("Complete in this bash", "source <(coble completion bash)"),
        ("Complete in every fish", "coble completion fish > ~/.config/fish/completions/coble.fish"),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let shell = call.arguments.first().map_or(Ok(""), |shell| text(shell, "shell"))?;
    match script(shell) {
        Some(script) => stdout::print(script.as_bytes())?,
        None => {
            return Err(Failure::new(format!("no completion for {shell:?}: bash, zsh or fish")));
        }
    }
    Ok(0)
}
