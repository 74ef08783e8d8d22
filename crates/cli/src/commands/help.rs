//! `coble help`

use crate::call::Call;
use crate::failure::Failure;
use crate::help;
use crate::stdout;
use crate::table::{Argument, Command, Count, Family, Values};

pub(crate) static COMMAND: Command = Command {
    name: "help",
    summary: "say how to use coble or one of its commands",
    arguments: &[Argument {
        name: "COMMAND",
        help: "the command, of one word or two (default: coble itself)",
        count: Count::Many,
        values: Values::Command,
    }],
    description: &[
        "Prints what a command does, its arguments, flags, examples and exit statuses, as \"coble COMMAND --help\" \
         does. The manual has the same: coble-COMMAND(1). \"coble h\" is the same as \"coble help\".",
    ],
    examples: &[
        ("Say how to use run", "coble help run"),
        ("Say what can be asked about filters of system calls", "coble help seccomp"),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let text = match &call.arguments[..] {
        [] => help::of_coble(),
        [name, rest @ ..] => match (Family::named(name), rest) {
            (Some(family), []) => help::of_family(family),
            (Some(family), [second]) => help::of_command(family.command(second)?),
            (None, []) => help::of_command(Command::named(name)?),
            _ => {
                let words: Vec<_> =
                    call.arguments.iter().map(|word| word.to_string_lossy()).collect();
                let words = words.join(" ");
                return Err(Failure::new(format!(
                    "unknown command: No help topic for '{words}', see \"coble help\""
                )));
            }
        },
    };
    stdout::print(text.as_bytes())?;
    Ok(0)
}
