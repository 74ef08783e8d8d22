//! Addresses of network devices (rtnetlink(7), `RTM_*ADDR`).

use coble_sys::libc::{RTM_GETADDR, RTM_NEWADDR};

use super::message::{NLM_F_DUMP, NLM_F_NEW, Request, attributes, number, text};
use super::{Netlink, Refusal};

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;
const IFA_PROTO: u16 = 11;

/// What belongs to an address and means the same in another namespace.
const CARRIED: [u16; 6] =
    [IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_CACHEINFO, IFA_RT_PRIORITY, IFA_PROTO];

const IFA_F_PERMANENT: u32 = 0x80;
/// Flags that whoever adds an address chooses: no duplicate detection, optimistic, home address, temporary addresses
/// from it, no route of its prefix, multicast groups by itself. The kernel sets the others.
const CHOSEN: u32 = 0x02 | 0x04 | 0x10 | 0x100 | 0x200 | 0x400;

/// `RT_SCOPE_UNIVERSE`
const GLOBAL: u8 = 0;

/// Longest name of a device, and of an address's label, in bytes.
const NAME_MAX: usize = 15;

/// Bytes of `struct ifaddrmsg`: family, length of the prefix, flags, scope, index of the device.
const FIXED: usize = 8;

/// An address of a network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    family: u8,
    prefix: u8,
    flags: u32,
    scope: u8,
    index: u32,
    /// IPv4 alone: the device's name, or that and a suffix.
    label: Option<String>,
    carried: Vec<(u16, Vec<u8>)>,
}

impl Address {
    fn read(payload: &[u8]) -> Option<Self> {
        let [family, prefix, flags, scope, ..] = *payload else { return None };
        let rest = payload.get(FIXED..)?;
        let found = |kind| attributes(rest).find(|(other, _)| *other == kind);
        let carried = attributes(rest).filter(|(kind, _)| CARRIED.contains(kind));
        Some(Self {
            family,
            prefix,
            flags: found(IFA_FLAGS).and_then(|(_, value)| number(value, 0)).unwrap_or(flags.into()),
            scope,
            index: number(payload, 4)?,
            label: found(IFA_LABEL).map(|(_, value)| text(value)),
            carried: carried.map(|(kind, value)| (kind, value.to_vec())).collect(),
        })
    }

    /// Whether it goes with its device: somebody has set it for good, and it is not the link's own (config-linux.md,
    /// "Network Devices").
    pub(crate) fn is_kept(&self) -> bool {
        self.flags & IFA_F_PERMANENT != 0 && self.scope == GLOBAL
    }

    /// The same for a device of another index and name.
    fn request(&self, index: u32, old: &str, new: &str) -> Result<Request, Refusal> {
        let mut fixed = [self.family, self.prefix, 0, self.scope, 0, 0, 0, 0];
        fixed[4..].copy_from_slice(&index.to_ne_bytes());
        let flags = (self.flags & CHOSEN).to_ne_bytes();
        let mut request =
            Request::new(RTM_NEWADDR, NLM_F_NEW, &fixed).attribute(IFA_FLAGS, &flags)?;
        for (kind, value) in &self.carried {
            request = request.attribute(*kind, value)?;
        }
        match self.label.as_deref().and_then(|label| renamed(label, old, new)) {
            Some(label) => Ok(request.name(IFA_LABEL, &label)?),
            None => Ok(request),
        }
    }
}

/// A label with a suffix, behind the device's new name if it fits; the kernel's own is the name alone.
fn renamed(label: &str, old: &str, new: &str) -> Option<String> {
    let suffix = label.strip_prefix(old).filter(|suffix| !suffix.is_empty())?;
    Some(format!("{new}{suffix}")).filter(|label| label.len() <= NAME_MAX)
}

impl Netlink {
    /// The addresses of the device of this index.
    pub(crate) fn addresses(&mut self, index: u32) -> Result<Vec<Address>, Refusal> {
        let request = Request::new(RTM_GETADDR, NLM_F_DUMP, &[0; FIXED]);
        let answers = self.ask(request, RTM_NEWADDR)?;
        let all = answers.iter().filter_map(|payload| Address::read(payload));
        Ok(all.filter(|address| address.index == index).collect())
    }

    /// Gives the device of this index an address that it had under the name `old`; it is called `new` now.
    pub(crate) fn add_address(
        &mut self,
        index: u32,
        address: &Address,
        (old, new): (&str, &str),
    ) -> Result<(), Refusal> {
        self.ask(address.request(index, old, new)?, RTM_NEWADDR).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer for 10.0.0.1/24 of device 7.
    fn answer(flags: u32, scope: u8) -> Vec<u8> {
        let fixed = [2, 24, flags as u8, scope, 7, 0, 0, 0];
        let request = Request::new(RTM_NEWADDR, 0, &fixed).attribute(IFA_ADDRESS, &[10, 0, 0, 1]);
        let request = request.and_then(|request| request.attribute(IFA_LOCAL, &[10, 0, 0, 1]));
        let request = request.and_then(|request| request.name(IFA_LABEL, "eth0:web"));
        let request = request.and_then(|request| request.attribute(5, &[1; 4]));
        let request =
            request.and_then(|request| request.attribute(IFA_FLAGS, &flags.to_ne_bytes()));
        request.unwrap().finish(1).unwrap()[16..].to_vec()
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn an_address_is_read_and_asked_for_again() {
        let address = Address::read(&answer(0x280, 0)).unwrap();
        let carried = [(IFA_ADDRESS, vec![10, 0, 0, 1]), (IFA_LOCAL, vec![10, 0, 0, 1])];
        assert_eq!((address.index, address.label.as_deref()), (7, Some("eth0:web")));
        assert_eq!(address.carried, carried);
        let request = address.request(300, "eth0", "net1").unwrap().finish(1).unwrap();
        let again = Address::read(&request[16..]).unwrap();
        assert_eq!((again.index, again.label.as_deref()), (300, Some("net1:web")));
        assert_eq!((again.flags, again.prefix, again.scope), (0x200, 24, 0));
        assert_eq!(again.carried, carried);
    }

    #[test]
    fn permanent_global_ones_are_kept() {
        let is_kept = |flags, scope| Address::read(&answer(flags, scope)).unwrap().is_kept();
        assert!(is_kept(0x80, 0) && is_kept(0x280, 0));
        // Dynamic; of the link; of the host.
        assert!(!is_kept(0, 0) && !is_kept(0x80, 253) && !is_kept(0x80, 254));
        assert_eq!(Address::read(&answer(0x80, 0)[..7]), None);
    }

    #[test]
    fn a_label_follows_the_name_if_it_fits() {
        assert_eq!(renamed("eth0:1", "eth0", "net0"), Some("net0:1".into()));
        for (label, new) in
            [("eth0", "net0"), ("other:1", "net0"), ("eth0:123456789", "lan-of-home")]
        {
            assert_eq!(renamed(label, "eth0", new), None, "{label}");
        }
    }
}
