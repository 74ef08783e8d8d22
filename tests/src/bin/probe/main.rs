//! A container's program that tells, as JSON, what it sees of its own configuration.
//!
//! `/probe.json` says what to look at (see [`Request`]). What can't be read is told as an error, which is a fact
//! like any other. Called as `probe hook KIND FILE`, it adds a line to `FILE` with what a hook sees. Called
//! as `probe wait`, it does nothing until it is killed: the container is another one's place then.

mod devices;
mod files;
mod hook;
mod mounts;
mod process;
mod terminal;

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

/// What the test asks for.
struct Request(Value);

impl Request {
    fn read() -> Self {
        let text = std::fs::read("/probe.json").expect("/probe.json");
        Self(serde_json::from_slice(&text).expect("JSON"))
    }

    /// A list of words of this name.
    fn words(&self, name: &str) -> Vec<&str> {
        self.0[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// What an object of this name has.
    fn names(&self, name: &str) -> BTreeMap<&str, &str> {
        let members = self.0[name].as_object().into_iter().flatten();
        members.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
    }
}

fn main() -> io::Result<()> {
    // Asked first: the probe opens others.
    let descriptors = process::descriptors();
    let args: Vec<String> = std::env::args().collect();
    if let [_, word, kind, file] = &args[..]
        && word == "hook"
    {
        return hook::note(kind, file);
    }
    if args.get(1).is_some_and(|word| word == "wait") {
        loop {
            std::thread::park();
        }
    }
    let request = Request::read();
    let told = json!({
        "descriptors": descriptors,
        "mounts": mounts::table(&request.names("groups")),
        "status": process::status(),
        "limits": process::limits(),
        "args": args,
        "environment": process::environment(),
        "directory": process::directory(),
        "names": process::names(),
        "process": process::more(),
        "namespaces": process::namespaces(&request.names("namespaces")),
        "cgroups": process::cgroups(),
        "keys": process::keys(),
        "sysctl": process::kernel_parameters(&request.words("sysctl")),
        "terminal": terminal::told(),
        "dev": files::tree("/dev"),
        "rules": devices::rules(),
        "paths": files::paths(&request.words("paths")),
    });
    let mut out = io::stdout().lock();
    writeln!(out, "{told}")?;
    // What the test's arguments ask for is how it ends.
    let code = args.iter().find_map(|arg| arg.strip_prefix("exit=")?.parse().ok());
    std::process::exit(code.unwrap_or(0))
}

/// A file's text, or why it can't be read.
fn text(path: &str) -> Value {
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim_end().into(),
        Err(error) => failure(&error),
    }
}

/// An error as a value: the name that the system has for it.
fn failure(error: &io::Error) -> Value {
    json!(format!("error: {}", error.raw_os_error().map_or_else(|| error.to_string(), number)))
}

/// `EPERM (1)` and so on say more than a number, but only a few are common.
fn number(errno: i32) -> String {
    let known = [
        (1, "EPERM"),
        (2, "ENOENT"),
        (6, "ENXIO"),
        (13, "EACCES"),
        (17, "EEXIST"),
        (20, "ENOTDIR"),
        (21, "EISDIR"),
        (22, "EINVAL"),
        (28, "ENOSPC"),
        (30, "EROFS"),
    ];
    let found = known.iter().find(|(number, _)| *number == errno);
    found.map_or_else(|| format!("errno {errno}"), |(_, name)| (*name).to_owned())
}
