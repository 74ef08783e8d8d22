//! `coble try`

use coble_container::Try;

use super::run::PROCESS_STATUSES;
use crate::call::{Call, CgroupManager, text};
use crate::failure::Failure;
use crate::table::{Argument, Command, Count, Flag, ROOT, Values};

const KEEP: Flag = Flag::value(
    "keep",
    None,
    ("DIR", Values::Directory),
    "leave the bundle, with all changes, in DIR: a new folder or an empty one",
);

pub(crate) static COMMAND: Command = Command {
    name: "try",
    summary: "run a command in a container over the host's own files, and throw its changes away",
    arguments: &[Argument {
        name: "COMMAND",
        help: "program and arguments (default: your shell, $SHELL or /bin/sh)",
        count: Count::Rest,
        values: Values::Any,
    }],
    flags: &[KEEP],
    description: &[
        "The container sees the host's files through overlays: it can change them, the host keeps them as they \
         are, and the changes are gone when the command ends. Processes, network, host name and IPC are its \
         own, and /dev, /proc, /run and /sys are fresh; there is no way to the network. No image is needed.",
        "A plain user becomes root inside, without any right that the user lacks outside: only what the user \
         could change can be changed. Directories that can't be read are empty.",
        "The current folder and the environment are the caller's, without the variables that lead to sockets of \
         the session, such as SSH_AUTH_SOCK. The changes lie in memory (/dev/shm); with --keep in DIR, from \
         where `coble run` starts the same container again.",
    ],
    examples: &[
        ("Look around in a shell", "coble try"),
        ("See what a build changes", "coble try --keep /tmp/build make install"),
        ("Run one line", "coble try -- sh -c 'id; hostname; ps'"),
    ],
    statuses: &[PROCESS_STATUSES[0], PROCESS_STATUSES[1], PROCESS_STATUSES[3]],
    execute,
};

fn execute(call: &Call) -> Result<u8, Failure> {
    match call.cgroup_manager()? {
        CgroupManager::Files => {}
        CgroupManager::Systemd => {
            return Err(Failure::new("--systemd-cgroup: try makes its cgroup without systemd"));
        }
        CgroupManager::Disabled => {
            return Err(Failure::new("--cgroup-manager: try always has a cgroup"));
        }
    }
    let root = match call.global.value(&ROOT) {
        Some(_) => Some(call.root()?),
        // A user without a session has no usual place for state; a place of its own will do.
        None => coble_container::default_root().ok(),
    };
    let command = call.arguments.iter().map(|word| text(word, "COMMAND").map(str::to_owned));
    let command = command.collect::<Result<_, _>>()?;
    Ok(Try { root, keep: call.flags.path(&KEEP), command }.execute()?)
}
