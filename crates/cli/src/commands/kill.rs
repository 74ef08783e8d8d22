//! `coble kill`

use coble_container::Signal;

use super::matching::{REGEX, each};
use crate::call::{Call, text};
use crate::failure::Failure;
use crate::table::{Argument, Command, Count, Flag, ID, Values};

const ALL: Flag = Flag::switch(
    "all",
    Some('a'),
    "send it to every process of the container; a stopped container is then no error",
);

pub(crate) static COMMAND: Command = Command {
    name: "kill",
    summary: "send a signal to a container",
    arguments: &[
        ID,
        Argument {
            name: "SIGNAL",
            help: "number, or name with or without SIG, in any case (default: TERM)",
            count: Count::Optional,
            values: Values::Signal,
        },
    ],
    flags: &[ALL, REGEX],
    description: &[
        "Sends the signal to the container's first process. One that waits for start ends by each signal that ends a \
         program by default.",
    ],
    examples: &[
        ("Ask the container web to end", "coble kill web"),
        ("End it", "coble kill web KILL"),
        ("Ask web-1, web-2 and so on to end", "coble kill --regex '^web-[0-9]+$' TERM"),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let signal = match call.arguments.get(1) {
        Some(name) if !name.is_empty() => signal(text(name, "signal")?)?,
        _ => Signal::TERM,
    };
    let (root, all) = (call.root()?, call.flags.has(&ALL));
    each(call, |id| Ok(coble_container::kill(&root, id, signal, all)?))?;
    Ok(0)
}

fn signal(name: &str) -> Result<Signal, Failure> {
    name.parse().map_err(|error| Failure::new(format!("{error}")))
}
