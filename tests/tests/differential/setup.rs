//! What both runtimes are given.

use std::fmt;
use std::path::Path;

use serde_json::{Value, json};

/// A configuration, and the host that it is for.
///
/// Words in it that begin with `@` stand for what is another each time: `@source` for the folder with what can be
/// bound, `@id` for the container's name, `@held` for the folder with links of namespaces to join, `@fresh` for one
/// whose namespaces belong to a user namespace and are nobody else's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setup {
    /// `config.json`.
    pub(crate) config: Value,
    /// Whether the host has cgroup v2 alone.
    pub(crate) unified: bool,
    /// What is executed in the container, whose own program only waits.
    pub(crate) exec: Option<Exec>,
}

/// A call of `exec`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exec {
    /// Its flags.
    pub(crate) flags: Vec<String>,
    /// The file of `--process`, in place of arguments.
    pub(crate) process: Option<Value>,
}

impl Exec {
    /// With flags alone.
    pub(crate) fn flags(flags: &[&str]) -> Self {
        Self { flags: flags.iter().map(ToString::to_string).collect(), process: None }
    }

    /// With a file.
    pub(crate) fn process(process: Value) -> Self {
        Self { flags: Vec::new(), process: Some(process) }
    }

    /// Whether the process gets a terminal.
    fn terminal(&self) -> bool {
        let asked = self.process.as_ref().is_some_and(|process| process["terminal"] == true);
        asked || self.flags.iter().any(|flag| flag == "--tty")
    }
}

impl Setup {
    /// The least that the probe runs with: a writable root, `/proc`, a device file system and new namespaces.
    pub(crate) fn least() -> Self {
        let namespaces = ["mount", "pid", "ipc", "uts", "network"];
        let config = json!({
            "ociVersion": "1.0.2",
            "process": { "args": ["/bin/probe"], "cwd": "/", "env": ["PATH=/bin"], "user": {} },
            "root": { "path": "rootfs" },
            "mounts": [mount("proc", "proc", "/proc", &[])],
            "linux": {
                "cgroupsPath": "/@id",
                "namespaces": namespaces.map(|kind| json!({ "type": kind })),
            },
        });
        Self { config, unified: false, exec: None }
    }

    /// The same with the members of `more` in place of those of the same name.
    pub(crate) fn with(mut self, more: Value) -> Self {
        merge(&mut self.config, more);
        self
    }

    /// The same on a host with cgroup v2 alone.
    pub(crate) fn unified(mut self) -> Self {
        self.unified = true;
        self
    }

    /// The same with a program that waits, and this call of `exec`.
    pub(crate) fn exec(mut self, exec: Exec) -> Self {
        self.config["process"]["args"] = json!(["/bin/probe", "wait"]);
        self.exec = Some(exec);
        self
    }

    /// Whether what tells of itself has a terminal: the container's program, or what is executed beside it.
    pub(crate) fn terminal(&self) -> bool {
        match &self.exec {
            Some(exec) => exec.terminal(),
            None => self.config["process"]["terminal"] == true,
        }
    }

    /// The same with another mount.
    pub(crate) fn mount(mut self, kind: &str, source: &str, to: &str, options: &[&str]) -> Self {
        list(&mut self.config, "mounts").push(mount(kind, source, to, options));
        self
    }

    /// The same with another namespace.
    pub(crate) fn namespace(mut self, kind: &str) -> Self {
        list(&mut self.config["linux"], "namespaces").push(json!({ "type": kind }));
        self
    }

    /// The same with the namespace of this kind shared with the host.
    pub(crate) fn without_namespace(mut self, kind: &str) -> Self {
        list(&mut self.config["linux"], "namespaces").retain(|one| one["type"] != kind);
        self
    }

    /// Whether the container has its own namespace of this kind, new or joined.
    pub(crate) fn has_namespace(&self, kind: &str) -> bool {
        let list = self.config["linux"]["namespaces"].as_array();
        list.into_iter().flatten().any(|namespace| namespace["type"] == kind)
    }

    /// The host's id of the container's root.
    pub(crate) fn owner(&self) -> u32 {
        let mappings = self.config["linux"]["uidMappings"].as_array();
        let root = mappings.into_iter().flatten().find(|mapping| mapping["containerID"] == 0);
        root.and_then(|mapping| mapping["hostID"].as_u64()).map_or(0, |id| id as u32)
    }

    /// The text of `config.json`.
    pub(crate) fn text(
        &self,
        source: &Path,
        id: &str,
        held: &Path,
        fresh: Option<&Path>,
    ) -> String {
        let text = format!("{:#}", self.config);
        let text = text
            .replace("@source", source.to_str().unwrap())
            .replace("@id", id)
            .replace("@held", held.to_str().unwrap());
        fresh.map_or(text.clone(), |fresh| text.replace("@fresh", fresh.to_str().unwrap()))
    }

    /// Whether it joins namespaces that are nobody else's.
    pub(crate) fn joins_fresh(&self) -> bool {
        self.config.to_string().contains("@fresh/")
    }

    /// Paths in the container that the configuration names, and what leads to them.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = vec!["/".to_owned(), "/tmp".to_owned(), "/dir".to_owned()];
        let mut add = |value: &Value| paths.extend(value.as_str().map(str::to_owned));
        let linux = &self.config["linux"];
        for name in ["maskedPaths", "readonlyPaths"] {
            linux[name].as_array().into_iter().flatten().for_each(&mut add);
        }
        for device in linux["devices"].as_array().into_iter().flatten() {
            add(&device["path"]);
        }
        for mount in self.config["mounts"].as_array().into_iter().flatten() {
            add(&mount["destination"]);
        }
        add(&self.config["process"]["cwd"]);
        paths
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.unified { "cgroup v2 alone" } else { "cgroup v1" };
        write!(f, "on a host with {host}: {:#}", self.config)?;
        let Some(exec) = &self.exec else { return Ok(()) };
        write!(f, "\nexec {}", exec.flags.join(" "))?;
        exec.process.as_ref().map_or(Ok(()), |process| write!(f, " --process {process}"))
    }
}

/// One of `mounts`.
pub(crate) fn mount(kind: &str, source: &str, to: &str, options: &[&str]) -> Value {
    json!({ "destination": to, "type": kind, "source": source, "options": options })
}

fn list<'a>(place: &'a mut Value, name: &str) -> &'a mut Vec<Value> {
    if place[name].is_null() {
        place[name] = json!([]);
    }
    place[name].as_array_mut().unwrap()
}

/// Objects are merged member by member, everything else is replaced.
pub(crate) fn merge(value: &mut Value, more: Value) {
    match (value, more) {
        (Value::Object(members), Value::Object(more)) => {
            for (name, member) in more {
                merge(members.entry(name).or_insert(Value::Null), member);
            }
        }
        (value, more) => *value = more,
    }
}
