//! `coble seccomp convert`

use coble_seccomp::EngineProfile;

use super::source::{Host, Source};
use super::{ARCH, CAP, KERNEL, PROFILE};
use crate::call::Call;
use crate::failure::Failure;
use crate::stdout;
use crate::table::{Command, Flag, Values};

const TO: Flag = Flag::value(
    "to",
    None,
    ("FORMAT", Values::Words(&["oci", "engine"])),
    "oci (default) for linux.seccomp of a config.json, engine for the format of Docker and Podman",
);

pub(crate) static COMMAND: Command = Command {
    name: "seccomp convert",
    summary: "write a profile in another format",
    arguments: &[PROFILE],
    flags: &[TO, CAP, KERNEL, ARCH],
    description: &[
        "Docker and Podman take profiles whose rules depend on the container's capabilities, the host's architecture and \
         the version of its kernel (includes, excludes, archMap). oci decides all that for one container and one host, \
         and prints what belongs into a config.json. engine goes the other way: a section becomes a profile that \
         engines take and that means the same; of a profile that is one already, nothing is decided.",
        "Docker and Podman differ. Names of error numbers (errno, defaultErrno) are Podman's and stand before the \
         numbers; minKernel is Docker's, and Podman passes it over. Both count here. Members, architectures and \
         capabilities that are unknown are errors.",
        "Docker's default capabilities are those of a container that is run without --cap-add and --cap-drop.",
    ],
    examples: &[
        (
            "Put the default profile into a bundle",
            "coble seccomp convert default | jq --slurpfile s /dev/stdin '.linux.seccomp = $s[0]' config.json",
        ),
        (
            "The same for a container with one capability",
            "coble seccomp convert default --cap NET_BIND_SERVICE",
        ),
        (
            "Give a bundle's filter to Docker",
            "coble seccomp convert --to engine /srv/web >web.json && docker run --security-opt seccomp=web.json web",
        ),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let is_engine = match call.flags.text(&TO)? {
        None | Some("oci") => false,
        Some("engine") => true,
        Some(other) => {
            return Err(Failure::new(format!(
                "invalid value {other:?} for {TO}: not oci or engine"
            )));
        }
    };
    let host = Host::of(call)?;
    let source = Source::read(call.arguments.first().map_or("".as_ref(), |word| word), &host)?;
    // What can't be meant in one format can't be in the other.
    source.profile(host.arch)?;
    let text = match (is_engine, &source.engine) {
        (true, Some(profile)) => serde_json::to_string_pretty(profile),
        (true, None) => serde_json::to_string_pretty(&EngineProfile::from(source.section())),
        (false, _) => serde_json::to_string_pretty(source.section()),
    };
    let text = text.map_err(|error| Failure::at("convert", error))? + "\n";
    stdout::print(text.as_bytes())?;
    Ok(0)
}
