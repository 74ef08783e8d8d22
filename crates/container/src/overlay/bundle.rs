//! The bundle: `config.json`, the skeleton of the root in `rootfs`, and what the overlays write to in `layers`.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, chown, symlink,
};
use std::path::Path;

use coble_spec::Seccomp;

use super::config::{Setting, config};
use super::host::{Host, HostFiles, look_at};
use super::layout::{Part, Show, layout};
use super::points::{is_below, visible_points};
use super::resolvers::{RESOLVERS, resolvers};
use crate::error::{Error, Result};
use crate::example::config_text;
use crate::selinux::copy_context;

/// What goes into the bundle.
pub(super) struct Bundle<'a> {
    /// The bundle's directory, absolute.
    pub(super) path: &'a Path,
    /// Facts.
    pub(super) host: &'a Host,
    /// The filter of system calls.
    pub(super) seccomp: Option<&'a Seccomp>,
    /// The program and its arguments; the caller's shell if empty.
    pub(super) command: &'a [String],
    /// Whether the host's network can be reached, and with it a resolver.
    pub(super) network: bool,
}

impl Bundle<'_> {
    /// Writes it all.
    ///
    /// # Errors
    /// A file or directory can't be made.
    pub(super) fn write(&self) -> Result<()> {
        let points = visible_points(&self.host.mountinfo);
        let parts = layout(&points, self.host.facts.is_rootless(), &HostFiles);
        let layers = layer_names(&parts);
        for directory in ["rootfs", "layers"] {
            self.make(directory, |path| DirBuilder::new().mode(0o755).create(path))?;
        }
        for (part, layer) in parts.iter().zip(&layers) {
            self.write_skeleton(part, &parts)?;
            if part.show == Show::Overlay {
                self.write_layer(part, layer)?;
            }
        }
        // Only now: a directory without write permission takes no entries.
        for part in parts.iter().rev().filter(|part| part.show == Show::Empty) {
            self.make(&format!("rootfs{}", part.path), |path| self.look_like(path, &part.path))?;
        }
        self.write_run_directory()?;
        if self.network {
            self.make(RESOLVERS, |path| fs::write(path, resolvers(&self.host.resolvers)))?;
        }
        let setting = Setting {
            bundle: self.path,
            rootless: self.host.rootless(),
            parts: &parts,
            layers: &layers,
            seccomp: self.seccomp,
            command: self.command,
            network: self.network,
            environment: &self.host.environment,
            directory: self.host.directory.as_deref(),
            terminal: self.host.terminal,
        };
        let text = config_text(&config(&setting)).map_err(io::Error::from);
        self.make("config.json", |path| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600).open(path)?.write_all(&text?)
        })
    }

    /// What the part is mounted on, or itself; nothing if an overlay brings the place with it.
    fn write_skeleton(&self, part: &Part, parts: &[Part]) -> Result<()> {
        let brings =
            |other: &Part| other.show == Show::Overlay && is_below(&part.path, &other.path);
        if parts.iter().any(brings) {
            return Ok(());
        }
        self.make(&format!("rootfs{}", part.path), |path| match part.show {
            Show::Link => symlink(fs::read_link(&part.path)?, path),
            Show::ReadOnlyFile => fs::write(path, ""),
            _ => DirBuilder::new().recursive(true).mode(0o755).create(path),
        })
    }

    /// `upper` looks like the host's directory, because an overlay's root is its upper directory.
    fn write_layer(&self, part: &Part, layer: &str) -> Result<()> {
        let work = format!("layers/{layer}/work");
        let upper = format!("layers/{layer}/upper");
        self.make(&work, |path| DirBuilder::new().recursive(true).mode(0o700).create(path))?;
        self.make(&upper, |path| {
            DirBuilder::new().mode(0o700).create(path)?;
            self.look_like(path, &part.path)
        })
    }

    /// `/run` is the container's own, but for links: NixOS and Guix keep the way to all programs there.
    fn write_run_directory(&self) -> Result<()> {
        for entry in fs::read_dir("/run").into_iter().flatten().flatten() {
            if let (Ok(name), Ok(target)) =
                (entry.file_name().into_string(), fs::read_link(entry.path()))
            {
                self.make(&format!("rootfs/run/{name}"), |path| symlink(target, path))?;
            }
        }
        Ok(())
    }

    /// Gives a directory the host's mode and, as root, its owner and its SELinux context.
    fn look_like(&self, path: &Path, host: &str) -> io::Result<()> {
        let stat = look_at(host)?;
        if !self.host.facts.is_rootless() {
            chown(path, Some(stat.st_uid), Some(stat.st_gid))?;
            copy_context(host, path)?;
        }
        fs::set_permissions(path, Permissions::from_mode(stat.st_mode & 0o7777))
    }

    fn make(&self, name: &str, make: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
        let path = self.path.join(name);
        make(&path).map_err(|error| Error::at("make", &path, error))
    }
}

/// A name for each part, such as `var-lib` for `/var/lib`, no two the same.
fn layer_names(parts: &[Part]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let name = |part: &Part| {
        let plain = part.path.trim_start_matches('/').replace('/', "-");
        // A name has 255 bytes at most, a character four.
        let short: String = plain.chars().take(60).collect();
        let mut name = short.clone();
        for number in 2.. {
            if taken.insert(name.clone()) {
                break;
            }
            name = format!("{short}-{number}");
        }
        name
    };
    parts.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_have_names_of_their_own() {
        let paths = ["/var/lib", "/var-lib", "/usr"];
        let parts = paths.map(|path| Part { path: path.to_owned(), show: Show::Overlay });
        assert_eq!(layer_names(&parts), ["var-lib", "var-lib-2", "usr"]);
    }
}
