//! `coble state`

use crate::call::Call;
use crate::failure::Failure;
use crate::stdout;
use crate::table::{Command, ID};

pub(crate) static COMMAND: Command = Command {
    name: "state",
    summary: "print the state of a container as JSON",
    arguments: &[ID],
    description: &[
        "Prints one JSON object with the members ociVersion, id, pid, status, bundle, rootfs, created, \
         annotations and owner. The status is creating, created, running, paused or stopped; a stopped \
         container has the pid 0.",
        "The annotation coble.oom_kill of a stopped container says how many of its processes the kernel has killed for \
         want of memory, if there are some.",
    ],
    examples: &[("Print the pid of the container web", "coble state web | jq .pid")],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let state = coble_container::state(&call.root()?, call.id()?)?;
    let mut text =
        serde_json::to_vec_pretty(&state).map_err(|error| Failure::at("state", error))?;
    text.push(b'\n');
    stdout::print(&text)?;
    Ok(0)
}
