//! What every container may do, whatever the configuration says: the rules that runtimes add behind its own.
//!
//! Making a device file is allowed for any device, opening it is not. The devices are those that every
//! container has in `/dev` (config-linux.md, "Default Devices"), its own terminals, and `/dev/net/tun`,
//! which programs have come to expect.

use std::iter;

use coble_spec::Device;

use super::rule::{ALL, Kind, MKNOD, Rule};

/// A device that is in every container, unless the configuration puts something else under its name.
const NAMED: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/random", 1, 8),
    ("/dev/full", 1, 7),
    ("/dev/tty", 5, 0),
    ("/dev/zero", 1, 5),
    ("/dev/urandom", 1, 9),
];

/// `/dev/pts/*`, `/dev/ptmx`, `/dev/net/tun`.
const UNNAMED: [(u32, Option<u32>); 3] = [(136, None), (5, Some(2)), (10, Some(200))];

/// The rules, given the devices of `linux.devices`.
pub(super) fn rules(devices: &[Device]) -> impl Iterator<Item = Rule> {
    let mknod = Rule { allow: true, kind: None, major: None, minor: None, access: MKNOD };
    let named = NAMED
        .iter()
        .filter(|(path, ..)| !devices.iter().any(|device| device.path == *path))
        .map(|&(_, major, minor)| open(major, Some(minor)));
    iter::once(mknod).chain(named).chain(UNNAMED.map(|(major, minor)| open(major, minor)))
}

fn open(major: u32, minor: Option<u32>) -> Rule {
    Rule { allow: true, kind: Some(Kind::Char), major: Some(major), minor, access: ALL }
}
