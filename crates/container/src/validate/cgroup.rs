//! `linux.cgroupsPath` and the shape of `linux.resources` (config-linux.md, "Control groups"). Numbers are
//! the kernel's to judge; here stand the names, which become files and lines in files.

use coble_spec::{BlockIo, DeviceRule, Linux, Resources, reference_token};

use super::Invalid;
use super::text::quoted;

pub(super) fn check(linux: &Linux) -> Result<(), Invalid> {
    path(&linux.cgroups_path).map_err(|reason| Invalid::at("/linux/cgroupsPath", reason))?;
    match &linux.resources {
        Some(limits) => resources(limits).map_err(|invalid| invalid.below("/linux/resources")),
        None => Ok(()),
    }
}

fn path(path: &str) -> Result<(), String> {
    let shown = quoted(path);
    if path.split('/').any(|part| part == "..") {
        return Err(format!("{shown} has the part \"..\""));
    }
    if path.contains(char::is_control) {
        return Err(format!("{shown} has a control character"));
    }
    Ok(())
}

pub(super) fn resources(resources: &Resources) -> Result<(), Invalid> {
    for (index, rule) in resources.devices.iter().enumerate() {
        device_rule(rule, index).map_err(|invalid| invalid.below(&format!("/devices/{index}")))?;
    }
    if let Some(cpu) = &resources.cpu {
        for (name, list) in [("cpus", &cpu.cpus), ("mems", &cpu.mems)] {
            let odd = |c: char| !(c.is_ascii_digit() || matches!(c, ',' | '-' | ' ' | '\n'));
            if let Some(list) = list.as_ref().filter(|list| list.contains(odd)) {
                let reason = format!("{} is not a list such as \"0-3,7\"", quoted(list));
                return Err(Invalid::at(format!("/cpu/{name}"), reason));
            }
        }
    }
    resources.block_io.as_ref().map_or(Ok(()), block_io)?;
    for (index, limit) in resources.hugepage_limits.iter().enumerate() {
        if !page_size(&limit.page_size) {
            let reason = format!("{} is not a size such as \"2MB\"", quoted(&limit.page_size));
            return Err(Invalid::at(format!("/hugepageLimits/{index}/pageSize"), reason));
        }
    }
    names(resources)
}

fn device_rule(rule: &DeviceRule, index: usize) -> Result<(), Invalid> {
    if !matches!(rule.kind.as_str(), "" | "a" | "b" | "c") {
        let reason = format!("invalid cgroup device type {}", quoted(&rule.kind));
        return Err(Invalid::at("/type", reason));
    }
    if rule.access.is_empty() {
        let reason = format!("device access at {index} field cannot be empty");
        return Err(Invalid::at("/access", reason));
    }
    if !rule.access.bytes().all(|letter| b"rwm".contains(&letter)) {
        let reason = format!("{} has other letters than r, w and m", quoted(&rule.access));
        return Err(Invalid::at("/access", reason));
    }
    for (member, number) in [("/major", rule.major), ("/minor", rule.minor)] {
        // -1 is every number, as is no number.
        if let Some(number) = number.filter(|number| !(-1..=i64::from(u32::MAX)).contains(number)) {
            return Err(Invalid::at(member, format!("{number} is not a device's number")));
        }
    }
    Ok(())
}

fn block_io(block_io: &BlockIo) -> Result<(), Invalid> {
    let weights = block_io.weight_device.iter().map(|device| (device.major, device.minor));
    devices("weightDevice", weights)?;
    let throttled = [
        ("throttleReadBpsDevice", &block_io.throttle_read_bps_device),
        ("throttleWriteBpsDevice", &block_io.throttle_write_bps_device),
        ("throttleReadIOPSDevice", &block_io.throttle_read_iops_device),
        ("throttleWriteIOPSDevice", &block_io.throttle_write_iops_device),
    ];
    throttled.into_iter().try_for_each(|(name, list)| {
        devices(name, list.iter().map(|device| (device.major, device.minor)))
    })
}

fn devices(name: &str, mut numbers: impl Iterator<Item = (i64, i64)>) -> Result<(), Invalid> {
    let possible = 0..=i64::from(u32::MAX);
    match numbers
        .position(|(major, minor)| !possible.contains(&major) || !possible.contains(&minor))
    {
        Some(index) => {
            Err(Invalid::at(format!("/blockIO/{name}/{index}"), "not a device's number"))
        }
        None => Ok(()),
    }
}

/// Such as `64KB`, `2MB`, `1GB`: the middle of a file's name, `hugetlb.2MB.max`.
fn page_size(text: &str) -> bool {
    let number = ["KB", "MB", "GB"].iter().find_map(|unit| text.strip_suffix(unit));
    number.is_some_and(|digits| {
        !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Names that become files' names, or the first word of a line.
fn names(resources: &Resources) -> Result<(), Invalid> {
    for name in resources.unified.keys() {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !name.bytes().all(plain) || name.starts_with('.') || !name.contains('.') {
            let reason = format!("{} is not a cgroup file such as \"memory.high\"", quoted(name));
            return Err(Invalid::at(format!("/unified/{}", reference_token(name)), reason));
        }
    }
    let word = |name: &str| !name.is_empty() && !name.contains([' ', '\t', '\n', '/']);
    if let Some(name) = resources.rdma.keys().find(|name| !word(name)) {
        let reason = format!("{} is not the name of a device", quoted(name));
        return Err(Invalid::at(format!("/rdma/{}", reference_token(name)), reason));
    }
    let priorities = resources.network.iter().flat_map(|network| &network.priorities);
    match priorities.enumerate().find(|(_, priority)| !word(&priority.name)) {
        Some((index, priority)) => {
            let reason =
                format!("{} is not the name of a network interface", quoted(&priority.name));
            Err(Invalid::at(format!("/network/priorities/{index}/name"), reason))
        }
        None => Ok(()),
    }
}
