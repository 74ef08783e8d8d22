//! `coble delete`

use crate::call::Call;
use crate::failure::Failure;
use crate::table::{Command, Flag, ID};

const FORCE: Flag = Flag::switch(
    "force",
    Some('f'),
    "kill a container that still runs; one that doesn't exist is no error",
);

pub(crate) static COMMAND: Command = Command {
    name: "delete",
    summary: "delete a container that has ended",
    arguments: &[ID],
    flags: &[FORCE],
    description: &[
        "Removes all that is left of a container: its state, its cgroup, and what poststop hooks take care \
         of. A container that was created and never started is deleted, too; one that runs is only with \
         --force.",
    ],
    examples: &[
        ("Delete the stopped container web", "coble delete web"),
        ("Delete it whatever it does", "coble delete --force web"),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let warnings = coble_container::delete(&call.root()?, call.id()?, call.flags.has(&FORCE))?;
    call.warn(&warnings);
    Ok(0)
}
