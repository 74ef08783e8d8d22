//! `coble try`

use coble_container::{ExampleHost, Try, UserNetwork, example};
use coble_spec::Seccomp;

use super::observe::{self, Reports};
use super::run::FOREGROUND_STATUSES;
use super::seccomp::source::{Host, Source};
use crate::call::{Call, CgroupManager, text};
use crate::failure::Failure;
use crate::table::{Argument, Command, Count, Flag, ROOT, Values};

const KEEP: Flag = Flag::value(
    "keep",
    None,
    ("DIR", Values::Directory),
    "leave the bundle, with all changes, in DIR: a new folder or an empty one",
);

const NET: Flag =
    Flag::switch("net", None, "let the command reach the network, with pasta or slirp4netns");

const SECCOMP: Flag = Flag::value(
    "seccomp",
    None,
    ("PROFILE", Values::File),
    "filter of system calls: default (if the flag isn't given), unconfined for none, or a file",
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
    flags: &[KEEP, NET, SECCOMP, observe::REPORT, observe::RECORD, observe::MERGE],
    description: &[
        "The container sees the host's files through overlays: it can change them, the host keeps them as they \
         are, and the changes are gone when the command ends. Processes, network, host name and IPC are its \
         own, and /dev, /proc, /run and /sys are fresh; of the network there is only loopback, without --net. No image is needed.",
        "A plain user becomes root inside, without any right that the user lacks outside: only what the user \
         could change can be changed. Directories that can't be read are empty.",
        "A filter of system calls stands between the command and the kernel: the profile default, which has the effect \
         of Docker's, so that nothing inside can make namespaces or mounts, load programs into the kernel or reach its \
         rarely used parts. `coble help seccomp` has more about profiles; --seccomp unconfined leaves the filter out.",
        "With --net a helper passes on what the command sends to the network: pasta, or else slirp4netns, from $PATH; for root \
         it is slirp4netns. It runs as the caller, and ends with the command. Nothing leads from outside to the command, nor from \
         the command to the host's own loopback addresses. The addresses are IPv4. If no helper is installed, a line on \
         standard error says so, and the command runs with loopback only.",
        "The current folder and the environment are the caller's, without the variables that lead to sockets of \
         the session, such as SSH_AUTH_SOCK. The changes lie in memory (/dev/shm); with --keep in DIR, from \
         where `coble run` starts the same container again.",
    ],
    examples: &[
        ("Look around in a shell", "coble try"),
        (
            "See what an installation changes",
            "coble try --net --keep /tmp/new pip install requests",
        ),
        ("See what a build changes", "coble try --keep /tmp/build make install"),
        (
            "Let a program make a user namespace",
            "coble try --seccomp unconfined -- unshare --user id",
        ),
        ("See which system calls a program is denied", "coble try --seccomp-report -- ping ::1"),
        ("Run one line", "coble try -- sh -c 'id; hostname; ps'"),
    ],
    statuses: FOREGROUND_STATUSES,
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
        None => coble_container::usual_root(),
    };
    let command = call.arguments.iter().map(|word| text(word, "COMMAND").map(str::to_owned));
    let command = command.collect::<Result<_, _>>()?;
    let seccomp = filter(call)?;
    let reports = Reports::of(call)?;
    let (keep, observe) = (call.flags.path(&KEEP), reports.observe());
    let rootless = call.rootless()?;
    let network = call.flags.has(&NET).then(|| network(call)).flatten();
    let finished = Try { root, keep, seccomp, network, observe, rootless, command }.execute()?;
    reports.write(finished.observed.as_ref())?;
    Ok(finished.status)
}

/// The helper for the network; a line for the user if there is none.
fn network(call: &Call) -> Option<UserNetwork> {
    let missing = |error| call.log.warning(&format!("--net: {error}: there is loopback only"));
    UserNetwork::find().map_err(missing).ok()
}

/// The filter that the command runs under, for the capabilities that it has.
fn filter(call: &Call) -> Result<Option<Seccomp>, Failure> {
    let name = call.flags.value(&SECCOMP).unwrap_or("default".as_ref());
    if name == "unconfined" {
        return Ok(None);
    }
    let process = example(ExampleHost::default()).process.unwrap_or_default();
    let capabilities = process.capabilities.unwrap_or_default().bounding;
    let source = Source::read(name, &Host::this(&capabilities))?;
    Ok(Some(source.section().clone()))
}
