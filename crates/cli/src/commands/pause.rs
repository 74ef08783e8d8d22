//! `coble pause`

use crate::call::Call;
use crate::failure::Failure;
use crate::table::{Command, ID};

pub(crate) static COMMAND: Command = Command {
    name: "pause",
    summary: "hold all processes of a container",
    arguments: &[ID],
    description: &[
        "Freezes the container's cgroup and waits until every process in it is held. The container's status is \
         then paused. Nothing of it is lost; \"coble resume\" lets it go on.",
    ],
    examples: &[("Hold the container web", "coble pause web")],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    coble_container::pause(&call.root()?, call.id()?)?;
    Ok(0)
}
