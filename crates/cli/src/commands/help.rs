//! `coble help`

use crate::call::Call;
use crate::failure::Failure;
use crate::help;
use crate::stdout;
use crate::table::{Argument, Command, Count, Values};

pub(crate) static COMMAND: Command = Command {
    name: "help",
    summary: "say how to use coble or one of its commands",
    arguments: &[Argument {
        name: "COMMAND",
        help: "the command (default: coble itself)",
        count: Count::Optional,
        values: Values::Command,
    }],
    description: &[
        "Prints what a command does, its arguments, flags, examples and exit statuses, as \"coble COMMAND --help\" \
         does. The manual has the same: coble-COMMAND(1). \"coble h\" is the same as \"coble help\".",
    ],
    examples: &[("Say how to use run", "coble help run")],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let command = call.arguments.first().map(|name| Command::named(name)).transpose()?;
    stdout::print(help::text(command).as_bytes())?;
    Ok(0)
}
