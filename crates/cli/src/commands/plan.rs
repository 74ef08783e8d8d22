//! `coble plan`

use std::path::PathBuf;

use super::create::{BUNDLE, NO_NEW_KEYRING, NO_PIVOT};
use crate::call::Call;
use crate::failure::Failure;
use crate::stdout;
use crate::table::{Command, Flag};

const JSON: Flag = Flag::switch("json", None, "print JSON");

pub(crate) static COMMAND: Command = Command {
    name: "plan",
    summary: "print what create would do, and do nothing",
    flags: &[BUNDLE, JSON, NO_PIVOT, NO_NEW_KEYRING],
    description: &[
        "Prints the steps that lead from config.json to the container's process, in their order and \
         numbered, each with the place in config.json that asks for it, a JSON pointer. Nothing on the host \
         is changed.",
    ],
    examples: &[("Print the plan of a bundle", "coble plan --bundle /srv/web")],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    call.refuse_systemd_cgroup()?;
    let bundle = call.flags.path(&BUNDLE).unwrap_or_else(|| PathBuf::from("."));
    let plan = coble_container::plan(&bundle)?;
    stdout::print(plan.to_string().as_bytes())?;
    Ok(0)
}
