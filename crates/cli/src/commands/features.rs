//! `coble features`

use crate::call::Call;
use crate::failure::Failure;
use crate::stdout;
use crate::table::Command;

pub(crate) static COMMAND: Command = Command {
    name: "features",
    summary: "print what coble can do as JSON",
    description: &[
        "Prints one JSON object as the OCI runtime specification describes it (features.md): the versions of \
         config.json, hooks, mount options, namespaces, capabilities and sections that coble carries out, and \
         the annotations that change what it does. The host is not looked at: what its kernel lacks is not \
         missing here.",
    ],
    examples: &[
        (
            "See whether id-mapped mounts are there",
            "coble features | jq .linux.mountExtensions.idmap",
        ),
        ("Print the mount options", "coble features | jq -r '.mountOptions[]'"),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(_: &Call) -> Result<u8, Failure> {
    let mut text = serde_json::to_vec_pretty(&coble_container::features())
        .map_err(|error| Failure::at("features", error))?;
    text.push(b'\n');
    stdout::print(&text)?;
    Ok(0)
}
