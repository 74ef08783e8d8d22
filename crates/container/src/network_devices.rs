//! Network devices of the host that a container gets (config-linux.md, "Network Devices").
//!
//! The parent moves them: it has the rights over both network namespaces, whoever owns them. It does so once the
//! container's namespaces are there and before any hook, from the point at which all of the mounts have worked.

use std::collections::BTreeMap;

use coble_spec::{NamespaceKind, NetDevice, Spec, reference_token};
use coble_sys::rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use coble_sys::rustix::fs::{CWD, Mode, OFlags, openat};
use coble_sys::{libc, setns};

use crate::error::{Error, Result};
use crate::facts::Facts;
use crate::host_namespaces::is_own;
use crate::netlink::{Address, Link, Netlink, Refusal};

/// The highest number that is tried for a name such as `eth%d`; the kernel has no more either.
const NUMBER_MAX: usize = 32 * 1024;

/// Refuses devices that can't be moved as the host is.
///
/// # Errors
/// The caller is not the host's root, or the network namespace that is joined is the one that the devices are in.
pub(crate) fn refuse_host_devices(spec: &Spec, facts: &Facts) -> Result<()> {
    let Some(linux) = spec.linux.as_ref().filter(|linux| !linux.net_devices.is_empty()) else {
        return Ok(());
    };
    let refused = |why: &str| Err(at("/linux/netDevices", why));
    if facts.is_rootless() {
        return refused("network devices are not supported for rootless containers");
    }
    let network = linux.namespaces.iter().find(|own| own.kind == NamespaceKind::Network);
    let joined = network.filter(|own| !own.path.is_empty());
    if joined.is_some_and(|own| is_own(own.kind, &own.path).unwrap_or(false)) {
        return refused(
            "unable to move network devices without a NET namespace: the one that is joined is the runtime's own",
        );
    }
    Ok(())
}

/// Both namespaces, and what has been moved from one to the other.
#[derive(Debug)]
pub(crate) struct NetworkDevices {
    host: Side,
    container: Side,
    moved: Vec<Device>,
}

/// A network namespace.
#[derive(Debug)]
struct Side {
    namespace: OwnedFd,
    netlink: Netlink,
}

/// A device on its way.
#[derive(Clone, Debug)]
struct Device {
    /// On the host.
    link: Link,
    /// All that it has on the host.
    addresses: Vec<Address>,
    /// Its name in the container, which may be a template such as `eth%d`.
    name: String,
    /// Its index and name in the container, once it is there.
    there: Option<(u32, String)>,
}

impl NetworkDevices {
    /// Opens the namespaces of this process and of the executor.
    ///
    /// # Errors
    /// One can't be opened or entered.
    pub(crate) fn open(pid: i32) -> Result<Self> {
        let own = open("/proc/thread-self/ns/net")?;
        let namespace = open(&format!("/proc/{pid}/ns/net"))?;
        let host = Netlink::open()?;
        let netlink = inside(namespace.as_fd(), own.as_fd(), Netlink::open)?;
        Ok(Self {
            host: Side { namespace: own, netlink: host },
            container: Side { namespace, netlink },
            moved: Vec::new(),
        })
    }

    /// Moves the devices, once all of them are known to be movable.
    ///
    /// # Errors
    /// One is missing, its name is taken, or the kernel's. What has been moved then is known to
    /// [`NetworkDevices::take_back`].
    pub(crate) fn give(&mut self, devices: &BTreeMap<String, NetDevice>) -> Result<()> {
        let mut found = Vec::new();
        for (name, wanted) in devices {
            found.push(self.look_at(name, wanted).map_err(|error| of(name, &error))?);
        }
        for (device, name) in found.into_iter().zip(devices.keys()) {
            self.give_one(device).map_err(|error| of(name, &error))?;
        }
        Ok(())
    }

    fn look_at(&mut self, name: &str, wanted: &NetDevice) -> Result<Device> {
        let failed = |refusal: Refusal| refusal.during("look at the network device");
        let link = self.host.netlink.link(name).map_err(failed)?;
        let link = link.ok_or_else(|| {
            Error::new(format!("link not found for interface {name} on runtime namespace"))
        })?;
        let new = if wanted.name.is_empty() { link.name.clone() } else { wanted.name.clone() };
        if link.alternatives.contains(&new) {
            return Err(Error::new(format!("{new:?} is another name of the device already")));
        }
        if !is_template(&new) && self.container.netlink.link(&new).map_err(failed)?.is_some() {
            return Err(Error::new(format!(
                "a network device named {new:?} exists in the container's network namespace already"
            )));
        }
        let addresses = self.host.netlink.addresses(link.index).map_err(failed)?;
        Ok(Device { link, addresses, name: new, there: None })
    }

    fn give_one(&mut self, mut device: Device) -> Result<()> {
        let (host, container) = (&mut self.host, &mut self.container);
        let name = container.netlink.free_name(&device.name)?;
        let moved = host.netlink.move_link(device.link.index, container.namespace.as_fd(), &name);
        if moved.is_err() {
            // The kernel moves first and renames then.
            device.there = stranded(host, container, &device.link);
        } else {
            device.there = container.find(&name);
        }
        let there = device.there.clone();
        self.moved.push(device.clone());
        moved.map_err(|refusal| refusal.during("move the network device"))?;
        let (index, _) =
            there.ok_or_else(|| Error::new("the network device is gone after its move"))?;
        let names = (device.link.name.as_str(), name.as_str());
        for address in device.addresses.iter().filter(|address| address.is_kept()) {
            let added = self.container.netlink.add_address(index, address, names);
            added.map_err(|refusal| refusal.during("add an address in the container"))?;
        }
        let brought = self.container.netlink.bring_up(index);
        brought.map_err(|refusal| refusal.during("bring the network device up"))
    }

    /// Puts the devices back as they were, as far as that is possible.
    pub(crate) fn take_back(&mut self) {
        for device in self.moved.drain(..).rev() {
            let Some((index, name)) = &device.there else { continue };
            let (host, own) = (&mut self.host, &device.link.name);
            // The way there has failed already; what fails on the way back is the kernel's to clear.
            let netlink = &mut self.container.netlink;
            if netlink.move_link(*index, host.namespace.as_fd(), own).is_err() {
                continue;
            }
            let Some((index, _)) = host.find(own) else { continue };
            for address in &device.addresses {
                let _ = host.netlink.add_address(index, address, (name, own));
            }
            if device.link.is_up {
                let _ = host.netlink.bring_up(index);
            }
        }
    }
}

impl Side {
    fn find(&mut self, name: &str) -> Option<(u32, String)> {
        let link = self.netlink.link(name).ok().flatten()?;
        Some((link.index, link.name))
    }
}

impl Netlink {
    /// The name itself, or for a template the first that nothing has.
    fn free_name(&mut self, name: &str) -> Result<String> {
        if !is_template(name) {
            return Ok(name.to_owned());
        }
        for number in 0..NUMBER_MAX {
            let candidate = name.replacen("%d", &number.to_string(), 1);
            let there = self.link(&candidate);
            if there.map_err(|refusal| refusal.during("look for a free name"))?.is_none() {
                return Ok(candidate);
            }
        }
        Err(Error::new(format!("there is no free name for {name:?}")))
    }
}

/// Where a device is that is not on the host any more although its move has failed: its old name was free there, or it
/// would not have been moved.
fn stranded(host: &mut Side, container: &mut Side, link: &Link) -> Option<(u32, String)> {
    match host.netlink.link(&link.name) {
        Ok(None) => container.find(&link.name),
        _ => None,
    }
}

pub(crate) fn is_template(name: &str) -> bool {
    name.contains("%d")
}

fn at(pointer: &str, why: impl std::fmt::Display) -> Error {
    Error::config(pointer, format!("config.json: {pointer}: {why}"))
}

/// The same for one device.
fn of(name: &str, error: &Error) -> Error {
    at(&format!("/linux/netDevices/{}", reference_token(name)), error)
}

fn open(path: &str) -> Result<OwnedFd> {
    openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| Error::at("open", path, errno))
}

/// Does something in another network namespace, with the calling thread alone.
fn inside<T>(
    other: BorrowedFd<'_>,
    own: BorrowedFd<'_>,
    action: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let kind = libc::CLONE_NEWNET as u64;
    setns(other, kind).map_err(|errno| Error::os("join the network namespace", errno))?;
    let outcome = action();
    setns(own, kind).map_err(|errno| Error::os("return to the own network namespace", errno))?;
    outcome
}
