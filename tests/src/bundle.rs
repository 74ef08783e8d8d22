//! A bundle: a folder with a `config.json` and a root file system.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::disk::Disk;

/// A bundle of one case.
#[derive(Debug)]
pub struct Bundle {
    /// Its folder.
    pub path: PathBuf,
    /// What `config.json` will say.
    pub config: Value,
}

impl Bundle {
    /// A bundle at `path` with `config`; the root file system is the caller's.
    #[must_use]
    pub fn new(path: PathBuf, config: Value) -> Self {
        Self { path, config }
    }

    /// The root file system.
    #[must_use]
    pub fn rootfs(&self) -> PathBuf {
        self.path.join("rootfs")
    }

    /// A path inside the root file system, as seen from the host.
    #[must_use]
    pub fn inside(&self, path: &str) -> PathBuf {
        self.rootfs().join(path.trim_start_matches('/'))
    }

    /// Sets the container's program.
    pub fn args<S: AsRef<str>>(&mut self, args: &[S]) -> &mut Self {
        self.config["process"]["args"] = args.iter().map(AsRef::as_ref).collect();
        self
    }

    /// Sets the container's program to a line for its shell.
    pub fn sh(&mut self, line: &str) -> &mut Self {
        self.args(&["sh", "-c", line])
    }

    /// Adds a variable to the container's environment.
    pub fn env(&mut self, assignment: &str) -> &mut Self {
        self.list("/process/env").push(assignment.into());
        self
    }

    /// Adds a mount.
    pub fn mount(&mut self, kind: &str, source: &str, to: &str, options: &[&str]) -> &mut Self {
        let mount = json!({"destination": to, "type": kind, "source": source, "options": options});
        self.list("/mounts").push(mount);
        self
    }

    /// Leaves out the mount on `destination`.
    ///
    /// # Panics
    /// When there is none.
    pub fn without_mount(&mut self, destination: &str) -> &mut Self {
        let mounts = self.list("/mounts");
        let before = mounts.len();
        mounts.retain(|mount| mount["destination"] != destination);
        assert!(mounts.len() < before, "there was no mount on {destination}");
        self
    }

    /// Adds a new namespace, in place of one of the same kind.
    pub fn namespace(&mut self, kind: &str) -> &mut Self {
        self.without_namespace(kind);
        self.list("/linux/namespaces").push(json!({"type": kind}));
        self
    }

    /// Joins the namespace at `path`, in place of one of the same kind.
    pub fn join(&mut self, kind: &str, path: &Path) -> &mut Self {
        self.without_namespace(kind);
        self.list("/linux/namespaces").push(json!({"type": kind, "path": path}));
        self
    }

    /// Shares the namespace of this kind with the host.
    pub fn without_namespace(&mut self, kind: &str) -> &mut Self {
        self.list("/linux/namespaces").retain(|namespace| namespace["type"] != kind);
        self
    }

    /// Maps `size` ids from 0 to the host's ids from `host`, in a new user namespace.
    pub fn user_namespace(&mut self, host: u32, size: u32) -> &mut Self {
        self.namespace("user");
        let map = json!([{"containerID": 0, "hostID": host, "size": size}]);
        self.config["linux"]["uidMappings"] = map.clone();
        self.config["linux"]["gidMappings"] = map;
        self
    }

    /// Adds a block device as `/dev/disk`, to read and write.
    pub fn disk(&mut self, disk: Disk) -> &mut Self {
        let Disk { major, minor } = disk;
        let device = json!({"path": "/dev/disk", "type": "b", "major": major, "minor": minor});
        self.list("/linux/devices").push(device);
        let rule =
            json!({"allow": true, "type": "b", "major": major, "minor": minor, "access": "rw"});
        self.list("/linux/resources/devices").push(rule);
        self
    }

    /// Adds a hook: a line for the host's shell.
    pub fn hook(&mut self, kind: &str, line: &str) -> &mut Self {
        let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", line]});
        self.list(&format!("/hooks/{kind}")).push(hook);
        self
    }

    /// Makes the root file system writable.
    pub fn writable(&mut self) -> &mut Self {
        self.config["root"]["readonly"] = json!(false);
        self
    }

    /// The list at a JSON pointer, made if it isn't there.
    ///
    /// # Panics
    /// When something else stands there.
    pub fn list(&mut self, pointer: &str) -> &mut Vec<Value> {
        let mut place = &mut self.config;
        for key in pointer.trim_start_matches('/').split('/') {
            place = &mut place[key];
        }
        if place.is_null() {
            *place = json!([]);
        }
        place.as_array_mut().expect("a list")
    }

    /// Writes `config.json`.
    ///
    /// # Panics
    /// When it can't.
    pub fn write(&self) -> &Self {
        self.write_text(&self.config.to_string())
    }

    /// Writes any text as `config.json`.
    ///
    /// # Panics
    /// When it can't.
    pub fn write_text(&self, text: &str) -> &Self {
        fs::write(self.path.join("config.json"), text).expect("config.json");
        self
    }
}
