//! rtnetlink(7): the route that no packet to the loopback network takes.

use rustix::io::{Errno, Result};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;

/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_EXCL` and `NLM_F_CREATE`.
const FLAGS: u16 = 0x1 | 0x4 | 0x200 | 0x400;

/// Forbids packets to 127.0.0.0/8 that would leave the calling thread's network namespace.
///
/// A socket that is bound to an interface (`SO_BINDTODEVICE`, socket(7), or the `in_pktinfo` of ip(7)), which needs no rights, passes
/// by the loopback interface's own routes, and then the default route takes them. Traffic of the loopback interface is not
/// concerned.
///
/// # Errors
/// As socket(2), and the kernel's answer to `RTM_NEWROUTE`.
pub fn keep_loopback_inside() -> Result<()> {
    let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
    // The protocol 0 is NETLINK_ROUTE.
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    send(&socket, &request(), SendFlags::empty())?;
    let mut answer = [0; 128];
    let (_, length) = recv(&socket, &mut answer, RecvFlags::empty())?;
    let code = answer[..length].get(HEADER..HEADER + 4).ok_or(Errno::PROTO)?;
    match i32::from_ne_bytes([code[0], code[1], code[2], code[3]]) {
        0 => Ok(()),
        code => Err(Errno::from_raw_os_error(code.wrapping_neg())),
    }
}

/// A header, a `struct rtmsg` and one attribute.
fn request() -> [u8; 36] {
    let mut bytes = [0; 36];
    bytes[..4].copy_from_slice(&36u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&libc::RTM_NEWROUTE.to_ne_bytes());
    bytes[6..8].copy_from_slice(&FLAGS.to_ne_bytes());
    // Family, bits of the destination and of the source, service, table, origin, scope, kind.
    let route = [
        libc::AF_INET as u8,
        8,
        0,
        0,
        libc::RT_TABLE_MAIN,
        libc::RTPROT_STATIC,
        libc::RT_SCOPE_UNIVERSE,
        libc::RTN_PROHIBIT,
    ];
    bytes[HEADER..HEADER + 8].copy_from_slice(&route);
    bytes[28..30].copy_from_slice(&8u16.to_ne_bytes());
    bytes[30..32].copy_from_slice(&libc::RTA_DST.to_ne_bytes());
    bytes[32..].copy_from_slice(&[127, 0, 0, 0]);
    bytes
}
