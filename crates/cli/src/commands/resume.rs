//! `coble resume`

use crate::call::Call;
use crate::failure::Failure;
use crate::table::{Command, ID};

pub(crate) static COMMAND: Command = Command {
    name: "resume",
    summary: "let a paused container go on",
    arguments: &[ID],
    description: &["Lets the processes of a container go on that \"coble pause\" holds."],
    examples: &[("Let the container web go on", "coble resume web")],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    coble_container::resume(&call.root()?, call.id()?)?;
    Ok(0)
}
