//! `coble mounts`

use coble_container::{add_mounts, remove_mounts};
use coble_spec::Mount;

use super::input::Input;
use crate::call::{Call, text};
use crate::failure::Failure;
use crate::table::{Argument, Command, Count, ID, Values};

pub(crate) static COMMAND: Command = Command {
    name: "mounts",
    summary: "add mounts to a container, or remove them",
    arguments: &[
        Argument {
            name: "ACTION",
            help: "add or remove",
            count: Count::One,
            values: Values::Words(&["add", "remove"]),
        },
        ID,
        Argument {
            name: "FILE",
            help: "JSON file with a list of mounts, as in config.json; - is standard input",
            count: Count::One,
            values: Values::File,
        },
    ],
    description: &[
        "Changes what is mounted in a container that waits for start, runs or is paused, and has a mount namespace of \
         its own. FILE is the mounts section of a config.json: a list of objects with destination, type, source and \
         options.",
        "add takes bind mounts, whose sources are the host's, and new file systems of the types tmpfs, ramfs, mqueue, \
         hugetlbfs and devpts. A destination is looked for inside the container's root and made if it is missing. If one \
         mount fails, none is left.",
        "remove looks at the destinations alone, and takes the last one first.",
        "No part of a destination may be a symbolic link: a process of the container could have put it there.",
    ],
    examples: &[
        (
            "Show the host's /srv/data in the container web",
            "echo '[{\"destination\":\"/data\",\"source\":\"/srv/data\",\"options\":[\"bind\",\"ro\"]}]' | coble mounts \
             add web -",
        ),
        ("Take it away again", "echo '[{\"destination\":\"/data\"}]' | coble mounts remove web -"),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let [action, id, file] = &call.arguments[..] else {
        return Err(Failure::new("mounts needs an action, a container and a file"));
    };
    let (action, id) = (text(action, "action")?, text(id, "container ID")?);
    let change = match action {
        "add" => add_mounts,
        "remove" => remove_mounts,
        _ => return Err(Failure::new(format!("unknown action {action:?}: not add or remove"))),
    };
    let mounts: Vec<Mount> = Input::read(file)?.json()?;
    change(&call.root()?, id, &mounts)?;
    Ok(0)
}
