//! `coble seccomp record`: the profile that a container needs.

use std::ffi::OsString;

use super::denied::RUN;
use super::run;
use crate::call::Call;
use crate::commands::observe::{MERGE, RECORD};
use crate::commands::run::FOREGROUND_STATUSES;
use crate::failure::Failure;
use crate::table::{Command, Flag, Values};

const OUTPUT: Flag =
    Flag::value("output", Some('o'), ("FILE", Values::File), "where to write the profile");
const MERGE_HERE: Flag =
    Flag::switch(MERGE.long, None, "keep what the profile in the file has from former runs");

pub(crate) static COMMAND: Command = Command {
    name: "seccomp record",
    summary: "run a container, and write the least profile that it needs",
    arguments: &[RUN],
    flags: &[OUTPUT, MERGE_HERE],
    description: &[
        "The same as `coble run --seccomp-record FILE`: runs the container to its end, and writes linux.seccomp with \
         the system calls that it made and no others. Where the container has a profile, that decides meanwhile as ever, and \
         its rules for these calls are what is written: conditions on arguments stay, and calls that failed fail with the same \
         numbers. A call that isn't known to the profile then fails with EPERM, or as the container's profile has it.",
        "A program makes other calls in other runs: with --merge a profile grows with each. Every call is left to \
         coble, which takes some microseconds.",
    ],
    examples: &[
        ("Record a first run", "coble seccomp record --output web.json -- --bundle /srv/web web"),
        (
            "Record another one",
            "coble seccomp record --output web.json --merge -- --bundle /srv/web web",
        ),
        ("See what it lets through", "coble seccomp check web.json"),
    ],
    statuses: FOREGROUND_STATUSES,
    execute,
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let Some(file) = call.flags.value(&OUTPUT) else {
        return Err(Failure::new(format!("{OUTPUT} is missing: where to write the profile")));
    };
    let mut word = OsString::from(format!("--{}=", RECORD.long));
    word.push(file);
    let merge = call.flags.has(&MERGE_HERE).then(|| OsString::from(format!("--{}", MERGE.long)));
    run(call, std::iter::once(word).chain(merge).collect())
}
