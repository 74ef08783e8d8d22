//! Network devices (rtnetlink(7), `RTM_*LINK`).

use coble_sys::libc::{self, RTM_GETLINK, RTM_NEWLINK, RTM_SETLINK};
use coble_sys::rustix::fd::{AsRawFd, BorrowedFd};
use coble_sys::rustix::io::Errno;

use super::message::{Request, attribute, attributes, number, text};
use super::{Netlink, Refusal};

const IFLA_IFNAME: u16 = 3;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_EXT_MASK: u16 = 29;
/// A list of [`IFLA_ALT_IFNAME`] (Linux 5.5).
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;

/// `RTEXT_FILTER_SKIP_STATS`: no counters in the answer.
const SKIP_STATS: u32 = 1 << 3;

/// Bytes of `struct ifinfomsg`: family, type, index, flags, mask of the flags that change.
const FIXED: usize = 16;

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    /// Its first name.
    pub(crate) name: String,
    /// Its other names.
    pub(crate) alternatives: Vec<String>,
    pub(crate) is_up: bool,
}

impl Link {
    fn read(payload: &[u8]) -> Option<Self> {
        let rest = payload.get(FIXED..)?;
        let properties = attribute(rest, IFLA_PROP_LIST).unwrap_or_default();
        let others = attributes(properties).filter(|(kind, _)| *kind == IFLA_ALT_IFNAME);
        Some(Self {
            index: number(payload, 4)?,
            name: text(attribute(rest, IFLA_IFNAME)?),
            alternatives: others.map(|(_, value)| text(value)).collect(),
            is_up: number(payload, 8)? & libc::IFF_UP as u32 != 0,
        })
    }
}

/// The fixed part for the device of this index, which is brought up or left as it is.
fn fixed(index: u32, is_brought_up: bool) -> [u8; FIXED] {
    let mut fixed = [0; FIXED];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    if is_brought_up {
        let up = (libc::IFF_UP as u32).to_ne_bytes();
        fixed[8..12].copy_from_slice(&up);
        fixed[12..].copy_from_slice(&up);
    }
    fixed
}

impl Netlink {
    /// The device of this name, be it its first or another one.
    pub(crate) fn link(&mut self, name: &str) -> Result<Option<Link>, Refusal> {
        let request = Request::new(RTM_GETLINK, 0, &fixed(0, false))
            .name(IFLA_IFNAME, name)?
            .attribute(IFLA_EXT_MASK, &SKIP_STATS.to_ne_bytes())?;
        match self.ask(request, RTM_NEWLINK) {
            Err(Refusal { errno: Errno::NODEV, .. }) => Ok(None),
            answers => {
                let link = answers?.first().and_then(|payload| Link::read(payload));
                link.ok_or(Errno::BADMSG.into()).map(Some)
            }
        }
    }

    /// Moves a device to another network namespace, where it gets this name. The kernel takes it down.
    pub(crate) fn move_link(
        &mut self,
        index: u32,
        namespace: BorrowedFd<'_>,
        name: &str,
    ) -> Result<(), Refusal> {
        let request = Request::new(RTM_SETLINK, 0, &fixed(index, false))
            .name(IFLA_IFNAME, name)?
            .attribute(IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes())?;
        self.ask(request, RTM_NEWLINK).map(drop)
    }

    /// Brings a device up.
    pub(crate) fn bring_up(&mut self, index: u32) -> Result<(), Refusal> {
        self.ask(Request::new(RTM_SETLINK, 0, &fixed(index, true)), RTM_NEWLINK).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(request: Request) -> Vec<u8> {
        request.finish(1).unwrap()[16..].to_vec()
    }

    #[test]
    fn a_link_is_read() {
        let mut names = answer(Request::new(0, 0, &[]).name(IFLA_ALT_IFNAME, "enp3s0").unwrap());
        names.extend(answer(Request::new(0, 0, &[]).name(IFLA_ALT_IFNAME, "wan").unwrap()));
        let request = Request::new(RTM_NEWLINK, 0, &fixed(9, true)).name(IFLA_IFNAME, "eth0");
        let bytes = answer(request.unwrap().attribute(IFLA_PROP_LIST | 0x8000, &names).unwrap());
        let link = Link {
            index: 9,
            name: "eth0".into(),
            alternatives: vec!["enp3s0".into(), "wan".into()],
            is_up: true,
        };
        assert_eq!(Link::read(&bytes), Some(link));
        let bare = answer(Request::new(RTM_NEWLINK, 0, &fixed(2, false)).name(3, "lo").unwrap());
        assert_eq!(Link::read(&bare).map(|link| (link.index, link.is_up)), Some((2, false)));
        // The last byte fills up to a multiple of four.
        for end in 0..bare.len() - 1 {
            assert_eq!(Link::read(&bare[..end]), None, "{end}");
        }
    }

    #[test]
    fn the_own_loopback_interface_is_found() {
        let mut netlink = Netlink::open().unwrap();
        assert_eq!(netlink.link("lo").unwrap().map(|link| link.name), Some("lo".into()));
        assert_eq!(netlink.link("no-such-device"), Ok(None));
        let local = netlink.addresses(1).unwrap();
        assert!(local.iter().all(|address| !address.is_kept()), "{local:?}");
    }
}
