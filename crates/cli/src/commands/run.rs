//! `coble run`

use coble_container::Run;

use super::create;
use super::observe::{self, Reports};
use crate::call::Call;
use crate::failure::Failure;
use crate::table::{Command, Flag, ID};

pub(crate) const DETACH: Flag =
    Flag::switch("detach", Some('d'), "return as soon as the process runs")
        .under(create::ABOUT_COMMAND);
const KEEP: Flag =
    Flag::switch("keep", None, "keep the container's state after its process has ended")
        .under(create::ABOUT_COMMAND);
const NO_SUBREAPER: Flag =
    Flag::switch("no-subreaper", None, "leave orphans of the container to the system's reaper")
        .under(create::ABOUT_COMMAND);

pub(crate) static COMMAND: Command = Command {
    name: "run",
    summary: "create a container, start it and wait for it",
    arguments: &[ID],
    flags: &[
        create::BUNDLE,
        create::CONFIG,
        create::NO_PIVOT,
        create::NO_NEW_KEYRING,
        create::CONSOLE_SOCKET,
        create::PIDFD_SOCKET,
        create::PRESERVE_FDS,
        DETACH,
        KEEP,
        create::PID_FILE,
        NO_SUBREAPER,
        observe::REPORT,
        observe::RECORD,
        observe::MERGE,
    ],
    description: &[
        "Does what create, start and delete do, in one command: makes a container from the bundle, runs the \
         process that config.json describes, passes signals on to it, and deletes the container when the \
         process has ended.",
        "With --detach it returns as soon as the process runs, and leaves the container to the other \
         commands. A terminal then needs --console-socket.",
        "With --seccomp-report or --seccomp-record it answers for the program's system calls as the profile in config.json \
         does, and says in the end which of them were denied, or which profile is enough; `coble help seccomp denied` and \
         `coble help seccomp record` have more about it.",
        "If the kernel has killed processes of the container for want of memory, and the status is not 0, a warning \
         says so.",
    ],
    examples: &[
        ("Run the bundle in the current folder", "coble run demo"),
        ("Run a bundle in the background", "coble run --detach --bundle /srv/web web"),
        ("See which system calls the profile denies", "coble run --seccomp-report demo"),
    ],
    statuses: PROCESS_STATUSES,
    execute,
};

/// How a process in a container ended, as an exit status.
pub(crate) const PROCESS_STATUSES: &[(&str, &str)] = &[
    ("0 to 255", "the exit status of the process"),
    ("128 + N", "signal N ended the process"),
    ("0", "with --detach: the process runs"),
    ("1", "an error of coble itself"),
];

/// The same where the process is waited for, always.
pub(crate) const FOREGROUND_STATUSES: &[(&str, &str)] =
    &[PROCESS_STATUSES[0], PROCESS_STATUSES[1], PROCESS_STATUSES[3]];

fn execute(call: &Call) -> Result<u8, Failure> {
    let flags = &call.flags;
    let reports = Reports::of(call)?;
    let run = Run {
        create: create::from(call)?,
        detach: flags.has(&DETACH),
        keep: flags.has(&KEEP),
        observe: reports.observe(),
        no_subreaper: flags.has(&NO_SUBREAPER),
    };
    let finished = run.execute()?;
    call.warn(&finished.warnings);
    reports.write(finished.observed.as_ref())?;
    Ok(finished.status)
}
