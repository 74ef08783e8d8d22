//! `coble plan`

use std::path::PathBuf;

use super::create::{self, BUNDLE, CONFIG, NO_NEW_KEYRING, NO_PIVOT, PRESERVE_FDS};
use crate::call::Call;
use crate::failure::Failure;
use crate::stdout;
use crate::table::{Command, Flag};

const JSON: Flag = Flag::switch("json", None, "print JSON: a list of steps");

pub(crate) static COMMAND: Command = Command {
    name: "plan",
    summary: "print what create would do, and do nothing",
    flags: &[BUNDLE, CONFIG, JSON, NO_PIVOT, NO_NEW_KEYRING, PRESERVE_FDS],
    description: &[
        "Prints the steps that lead from config.json to the container's process, in their order and \
         numbered, each with the place in config.json that asks for it, a JSON pointer. A step with no such \
         place is part of every container. ID stands where the container's name would. Nothing on the host \
         is changed.",
    ],
    examples: &[
        ("Print the plan of a bundle", "coble plan --bundle /srv/web"),
        (
            "See what is mounted",
            "coble plan --json | jq -r '.[] | select(.origin | test(\"mounts\")) | .action'",
        ),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let plan = coble_container::plan(&create::described(call, PathBuf::new(), "ID")?)?;
    let text = if call.flags.has(&JSON) {
        serde_json::to_string_pretty(&plan).map_err(|error| Failure::at("plan", error))? + "\n"
    } else {
        plan.to_string()
    };
    stdout::print(text.as_bytes())?;
    Ok(0)
}
