//! What a hook sees.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};

use serde_json::{Value, json};

use super::process;

/// Adds a line to `file`: the hook's kind, what it was given, and where it runs.
pub(super) fn note(kind: &str, file: &str) -> io::Result<()> {
    let mut state = String::new();
    io::stdin().read_to_string(&mut state)?;
    let mut state: Value = serde_json::from_str(&state).unwrap_or(json!({ "no JSON": state }));
    // The number is new each time, the process behind it is not.
    if let Some(pid) = state.get("pid").cloned() {
        state["pid"] = json!(if pid == 0 { "none" } else { "a number" });
    }
    // Links of the namespaces; the test knows the host's.
    let links = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"].map(|kind| {
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}"));
        link.map_or_else(|error| error.to_string(), |link| link.to_string_lossy().into_owned())
    });
    let told = json!({
        "kind": kind,
        "state": state,
        "args": std::env::args().collect::<Vec<_>>(),
        "environment": process::environment(),
        "directory": process::directory(),
        "root": std::fs::exists("/probe.json").unwrap_or(false),
        "links": links,
        "status": process::status(),
    });
    // Where nothing can be written, nothing is told: a hook that failed would end the container.
    match OpenOptions::new().append(true).create(true).open(file) {
        Ok(mut file) => writeln!(file, "{told}"),
        Err(_) => Ok(()),
    }
}
