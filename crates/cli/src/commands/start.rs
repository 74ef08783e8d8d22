//! `coble start`

use super::create::notify_socket;
use crate::call::Call;
use crate::failure::Failure;
use crate::table::{Command, ID};

pub(crate) static COMMAND: Command = Command {
    name: "start",
    summary: "let the process of a created container run",
    arguments: &[ID],
    description: &[
        "Releases the process that create has prepared, and returns as soon as it runs. If the program \
         can't be executed, this is the command that says so.",
    ],
    examples: &[("Start the container web", "coble start web")],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let (root, id) = (call.root()?, call.id()?);
    match notify_socket() {
        None => coble_container::start(&root, id)?,
        Some(socket) => call.warn(&coble_container::start_notifying(&root, id, &socket)?),
    }
    Ok(0)
}
