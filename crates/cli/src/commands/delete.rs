//! `coble delete`

use super::matching::{REGEX, each};
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
    flags: &[FORCE, REGEX],
    description: &[
        "Removes all that is left of a container: its state, its cgroup, and what poststop hooks take care \
         of. A container that was created and never started is deleted, too; one that runs is only with \
         --force.",
    ],
    examples: &[
        ("Delete the stopped container web", "coble delete web"),
        ("Delete it whatever it does", "coble delete --force web"),
        ("Delete all whose names begin with test-", "coble delete --force --regex '^test-'"),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let (root, force) = (call.root()?, call.flags.has(&FORCE));
    each(call, |id| {
        call.warn(&coble_container::delete(&root, id, force)?);
        Ok(())
    })?;
    Ok(0)
}
