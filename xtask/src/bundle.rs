//! The bundle that budgets, benchmarks and soak run: the default configuration over busybox.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::oci::Oci;
use crate::{Result, packages};

/// A bundle's folder.
pub(crate) struct Bundle {
    /// Holds `config.json` and `rootfs`.
    pub(crate) path: PathBuf,
}

impl Bundle {
    /// Makes `folder` anew: what `runtime spec` writes, without a terminal, with these arguments.
    pub(crate) fn make(folder: &Path, runtime: &Oci, args: &[&str]) -> Result<Self> {
        let told = |e: std::io::Error| format!("{}: {e}", folder.display());
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(told)?;
        }
        let bin = folder.join("rootfs/bin");
        fs::create_dir_all(&bin).map_err(told)?;
        for place in ["proc", "dev", "sys"] {
            fs::create_dir(folder.join("rootfs").join(place)).map_err(told)?;
        }
        let busybox = packages::find("busybox").ok_or("busybox-static isn't installed")?;
        fs::copy(busybox, bin.join("busybox")).map_err(told)?;
        for applet in ["sh", "sleep", "true"] {
            symlink("busybox", bin.join(applet)).map_err(told)?;
        }
        let bundle = Self { path: folder.to_owned() };
        if let Some(user) = runtime.user {
            give(&bundle.path, user)?;
        }
        write_spec(folder, runtime, args)?;
        Ok(bundle)
    }

    /// Adds a filter of system calls.
    pub(crate) fn filter(&self, section: Value) -> Result<()> {
        edit(&self.path, |spec| spec["linux"]["seccomp"] = section)
    }

    /// Adds a user namespace, whose first id is `host` outside, and gives the root file system to its root.
    pub(crate) fn user_namespace(&self, host: u32, size: u32) -> Result<()> {
        let mappings = json!([{"containerID": 0, "hostID": host, "size": size}]);
        edit(&self.path, |spec| {
            let linux = &mut spec["linux"];
            linux["uidMappings"] = mappings.clone();
            linux["gidMappings"] = mappings;
            if let Some(namespaces) = linux["namespaces"].as_array_mut() {
                namespaces.push(json!({"type": "user"}));
            }
        })?;
        give(&self.rootfs(), host)
    }

    /// The root file system's folder.
    pub(crate) fn rootfs(&self) -> PathBuf {
        self.path.join("rootfs")
    }
}

/// Makes a folder, and all that is in it, a user's and its group's.
fn give(folder: &Path, user: u32) -> Result<()> {
    let owner = format!("{user}:{user}");
    let status = Command::new("chown").args(["-hR", &owner]).arg(folder).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("chown {owner} {}: {status}", folder.display())),
        Err(e) => Err(format!("chown: {e}")),
    }
}

fn write_spec(folder: &Path, runtime: &Oci, args: &[&str]) -> Result<()> {
    let mut command: Command = runtime.spec();
    let status = command.current_dir(folder).status().map_err(|e| e.to_string())?;
    if !status.success() {
        return Err(format!("{} spec: {status}", runtime.name));
    }
    edit(folder, |spec| {
        spec["process"]["terminal"] = json!(false);
        spec["process"]["args"] = json!(args);
    })
}

fn edit(folder: &Path, change: impl FnOnce(&mut Value)) -> Result<()> {
    let path = folder.join("config.json");
    let told = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let text = fs::read(&path).map_err(|e| told(&e))?;
    let mut spec: Value = serde_json::from_slice(&text).map_err(|e| told(&e))?;
    change(&mut spec);
    fs::write(&path, spec.to_string()).map_err(|e| told(&e))
}
