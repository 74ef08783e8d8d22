//! `linux.netDevices` (config-linux.md, "Network Devices").

use coble_spec::{Linux, NamespaceKind, reference_token};

use super::Invalid;
use super::namespaces::find;
use super::text::quoted;

/// IFNAMSIZ without the NUL at the end, netdevice(7).
const NAME_MAX: usize = 15;

pub(super) fn check(linux: &Linux) -> Result<(), Invalid> {
    let devices = &linux.net_devices;
    if !devices.is_empty() && find(linux, NamespaceKind::Network).is_none() {
        let reason = "unable to move network devices without a NET namespace";
        return Err(Invalid::at("/linux/netDevices", reason));
    }
    let mut names: Vec<&str> = Vec::new();
    for (host, device) in devices {
        let pointer = format!("/linux/netDevices/{}", reference_token(host));
        let invalid = |name: &str| format!("invalid network device name {}", quoted(name));
        if !is_name(host) {
            return Err(Invalid::at(pointer, invalid(host)));
        }
        let name = if device.name.is_empty() { host } else { &device.name };
        let pointer = format!("{pointer}/name");
        if !is_name(name) || !is_literal_or_template(name) {
            return Err(Invalid::at(pointer, invalid(name)));
        }
        // Each device that has a template for its name gets another number.
        if names.contains(&name.as_str()) && !name.contains('%') {
            let reason = format!("another network device is called {} already", quoted(name));
            return Err(Invalid::at(pointer, reason));
        }
        names.push(name);
    }
    Ok(())
}

/// What the kernel takes for a name (`dev_valid_name` in `net/core/dev.c`).
fn is_name(name: &str) -> bool {
    // A blank for the kernel is any of ASCII's and the byte 0xa0.
    let is_blank = |byte: u8| matches!(byte, b' ' | 0x09..=0x0d | 0xa0);
    !matches!(name, "" | "." | "..")
        && name.len() <= NAME_MAX
        && !name.bytes().any(|byte| is_blank(byte) || matches!(byte, b'/' | b':'))
}

/// A percent sign stands in a new name only once and before a `d`, where the number goes.
fn is_literal_or_template(name: &str) -> bool {
    match name.split_once('%') {
        None => true,
        Some((_, rest)) => rest.starts_with('d') && !rest.contains('%'),
    }
}
