//! `linux.devices` (config-linux.md, "Devices").

use std::collections::BTreeMap;

use coble_spec::{Device, Linux, NamespaceKind};

use super::process::identity;
use super::text::quoted;
use super::{Invalid, namespaces};
use crate::compile::clean;

/// The kernel keeps 12 bits of a major and 20 bits of a minor number (`linux/kdev_t.h`).
const MAX_MAJOR: i64 = (1 << 12) - 1;
const MAX_MINOR: i64 = (1 << 20) - 1;
/// The type and permission bits of a file, inode(7).
const MODE_BITS: u32 = 0o177_777;

pub(super) fn check(linux: &Linux) -> Result<(), Invalid> {
    if !linux.devices.is_empty() && namespaces::find(linux, NamespaceKind::Mount).is_none() {
        let reason = "unable to make device nodes without a private MNT namespace";
        return Err(Invalid::at("/linux/devices", reason));
    }
    let mut seen = BTreeMap::new();
    for (index, device) in linux.devices.iter().enumerate() {
        let below = |invalid: Invalid| invalid.below(&format!("/linux/devices/{index}"));
        one(device).map_err(below)?;
        // Engines repeat themselves; two different nodes can't have one path.
        let kind = if device.kind == "u" { "c" } else { &device.kind };
        let node = (kind, device.major, device.minor);
        if seen.insert(clean(&device.path), node).is_some_and(|earlier| earlier != node) {
            let reason = format!("{} is another device already", quoted(&device.path));
            return Err(below(Invalid::at("/path", reason)));
        }
    }
    Ok(())
}

fn one(device: &Device) -> Result<(), Invalid> {
    if !device.path.starts_with('/') {
        let reason = format!("{} is not an absolute path", quoted(&device.path));
        return Err(Invalid::at("/path", reason));
    }
    match device.kind.as_str() {
        "c" | "u" | "b" => {
            number("major", device.major, MAX_MAJOR)?;
            number("minor", device.minor, MAX_MINOR)?;
        }
        "p" => {}
        other => {
            let reason = format!("invalid device type {}", quoted(other));
            return Err(Invalid::at("/type", reason));
        }
    }
    match device.file_mode {
        // Engines write the type's bits too, which say nothing new.
        Some(mode) if mode & !MODE_BITS != 0 => {
            let reason = format!("{mode} (octal {mode:o}) is not a file's mode");
            return Err(Invalid::at("/fileMode", reason));
        }
        _ => {}
    }
    let owners = [("/uid", device.uid), ("/gid", device.gid)];
    owners
        .into_iter()
        .try_for_each(|(member, id)| identity(id.unwrap_or_default(), || member.to_owned()))
}

fn number(member: &str, number: i64, greatest: i64) -> Result<(), Invalid> {
    if (0..=greatest).contains(&number) {
        return Ok(());
    }
    let reason = format!("{number} is not between 0 and {greatest}");
    Err(Invalid::at(format!("/{member}"), reason))
}
