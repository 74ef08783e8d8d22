//! `coble seccomp`: filters of system calls, looked at by themselves, and in containers that are run for it.

pub(crate) mod check;
pub(crate) mod convert;
pub(crate) mod denied;
pub(crate) mod diff;
pub(crate) mod disasm;
pub(crate) mod explain;
pub(crate) mod record;
pub(crate) mod source;

use std::ffi::OsString;

use crate::call::Call;
use crate::commands;
use crate::failure::Failure;
use crate::log::Log;
use crate::parse::{Wish, parse};
use crate::table::{Argument, Count, Family, Flag, Values};

pub(crate) static FAMILY: Family = Family {
    name: "seccomp",
    summary: "look at filters of system calls",
    description: &[
        "A filter decides which system calls a container's programs can make, seccomp(2). check, explain, diff, convert \
         and disasm say what a profile comes to, before anything runs under it: they need no rights and no container. \
         denied and record run a container, and say which calls were denied, or which profile is enough.",
        "A profile is linux.seccomp of a config.json, or a file in the format of Docker and Podman, whose rules depend on \
         the container's capabilities and the host. One comes with coble: default, which has the same effect as that of \
         Docker Engine 29.",
    ],
};

/// The profile that a command is about.
const PROFILE: Argument = Argument {
    name: "PROFILE",
    help: "default, unconfined, a JSON file with a config.json, its section linux.seccomp or a profile of Docker or \
           Podman, a bundle, or - for standard input",
    count: Count::One,
    values: Values::File,
};

const CAP: Flag = Flag::value(
    "cap",
    None,
    ("CAP", Values::Any),
    "a capability of the container, in place of Docker's default ones; ALL for all, NONE for none",
)
.repeated();

const KERNEL: Flag = Flag::value(
    "kernel",
    None,
    ("VERSION", Values::Any),
    "version of the host's kernel, such as 6.12 (default: that of this host)",
);

const ARCH: Flag = Flag::value(
    "arch",
    None,
    ("ARCH", Values::Any),
    "architecture of the host's kernel, such as x86_64 or SCMP_ARCH_AARCH64 (default: that of this host)",
);

/// `coble run` with these words and those behind the command.
fn run(call: &Call, mut words: Vec<OsString>) -> Result<u8, Failure> {
    words.insert(0, commands::run::COMMAND.name.into());
    words.extend(call.arguments.iter().cloned());
    let mut inner = Call { global: call.global.clone(), ..Call::default() };
    match parse(words, &mut inner)? {
        Wish::Execute => {
            inner.log = Log::open(&call.global)?;
            (commands::run::COMMAND.execute)(&inner)
        }
        _ => Err(Failure::new("what is behind -- doesn't run a container")),
    }
}
