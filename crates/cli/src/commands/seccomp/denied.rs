//! `coble seccomp denied`: which calls a profile denies, of a container that is run for it.

use std::ffi::OsString;

use super::run;
use crate::call::Call;
use crate::commands::observe::REPORT;
use crate::commands::run::FOREGROUND_STATUSES;
use crate::failure::Failure;
use crate::table::{Argument, Command, Count, Flag, Values};

pub(super) const RUN: Argument = Argument {
    name: "RUN",
    help: "flags and arguments of `coble run`, behind --",
    count: Count::Rest,
    values: Values::Any,
};

const OUTPUT: Flag = Flag::value(
    "output",
    Some('o'),
    ("FILE", Values::File),
    "write JSON to FILE, in place of lines on standard error",
);

pub(crate) static COMMAND: Command = Command {
    name: "seccomp denied",
    summary: "run a container, and say which system calls its profile denied",
    arguments: &[RUN],
    flags: &[OUTPUT],
    description: &[
        "The same as `coble run --seccomp-report`: runs the container to its end, and then says of each system call that \
         its profile denied how often that was, with what outcome, and with which arguments and in which process first. \
         The program finds the same as without it: calls fail with the same error numbers.",
        "Denied calls are left to coble, which answers as the profile does (seccomp_unotify(2)). A call for which the \
         profile ends a thread ends its process. SCMP_ACT_TRAP and SCMP_ACT_TRACE are the program's and the \
         tracer's own affair and aren't told. Programs of the container can't have a listener of their own.",
    ],
    examples: &[
        ("Run the bundle in the current folder", "coble seccomp denied -- demo"),
        ("Keep the result", "coble seccomp denied --output denied.json -- --bundle /srv/web web"),
    ],
    statuses: FOREGROUND_STATUSES,
    execute,
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let mut word = OsString::from(format!("--{}", REPORT.long));
    if let Some(file) = call.flags.value(&OUTPUT) {
        word.push("=");
        word.push(file);
    }
    run(call, vec![word])
}
