//! rtnetlink(7): a network namespace that packets to the loopback network don't leave.

use core::ffi::CStr;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::{Errno, Result};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netdevice, recv, send,
    socket_with,
};

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;

/// No request here is longer.
const REQUEST_MAX: usize = 128;

/// `NLM_F_REQUEST` and `NLM_F_ACK`.
const ASK: u16 = 0x1 | 0x4;

/// `NLM_F_REPLACE` and `NLM_F_CREATE`.
const SET: u16 = 0x100 | 0x400;

/// Attributes of `RTM_SETNEIGHTBL` and of its `NDTA_PARMS`, `linux/neighbour.h`.
const NDTA_NAME: u16 = 1;
const NDTA_PARMS: u16 = 6;
const NDTPA_IFINDEX: u16 = 1;
const NDTPA_APP_PROBES: u16 = 9;
const NDTPA_UCAST_PROBES: u16 = 10;
const NDTPA_MCAST_PROBES: u16 = 11;

/// What frames to a neighbour are addressed to: a locally administered address like any other.
const STATION: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];

/// Keeps packets to 127.0.0.0/8 in the calling thread's network namespace, whose way out is one interface with a program
/// behind it that takes every frame.
///
/// A socket may be bound to the interface (`SO_BINDTODEVICE`, socket(7), or the `in_pktinfo` of ip(7)), which needs no
/// rights. It passes by the routes of the loopback interface, and the default route would take it. Here a route forbids it.
/// Then, and always with `MSG_DONTROUTE`, the kernel takes an address for one on the interface's own link, and would ask
/// there who has it (arp(7)). Here nothing is asked; `neighbours` are known by themselves. Traffic of the loopback interface
/// is not concerned.
///
/// # Errors
/// As socket(2), the `SIOCGIFINDEX` of netdevice(7), and the kernel's answers to the requests.
pub fn keep_loopback_inside(interface: &CStr, neighbours: &[[u8; 4]]) -> Result<()> {
    let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
    // The protocol 0 is NETLINK_ROUTE.
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    let name = interface.to_str().map_err(|_| Errno::NODEV)?;
    let index = netdevice::name_to_index(&socket, name)?.to_ne_bytes();
    forbid_loopback(socket.as_fd())?;
    for neighbour in neighbours {
        add_neighbour(socket.as_fd(), index, *neighbour)?;
    }
    stop_probes(socket.as_fd(), index)
}

/// A `struct rtmsg` and the destination.
fn forbid_loopback(socket: BorrowedFd<'_>) -> Result<()> {
    // Family, bits of the destination and of the source, service, table, origin, scope, kind; four bytes of flags.
    let route = [
        libc::AF_INET as u8,
        8,
        0,
        0,
        libc::RT_TABLE_MAIN,
        libc::RTPROT_STATIC,
        libc::RT_SCOPE_UNIVERSE,
        libc::RTN_PROHIBIT,
        0,
        0,
        0,
        0,
    ];
    let destination = attribute(libc::RTA_DST, [127, 0, 0, 0]);
    ask(socket, libc::RTM_NEWROUTE, SET, &[&route, &destination])
}

/// A `struct ndmsg`, the neighbour's address and that of its station.
fn add_neighbour(socket: BorrowedFd<'_>, index: [u8; 4], address: [u8; 4]) -> Result<()> {
    let state = libc::NUD_PERMANENT.to_ne_bytes();
    let station = [&10u16.to_ne_bytes()[..], &libc::NDA_LLADDR.to_ne_bytes(), &STATION, &[0; 2]];
    let head = [
        &[libc::AF_INET as u8, 0, 0, 0][..],
        &index,
        &state,
        &[0; 2],
        &attribute(libc::NDA_DST, address),
    ];
    let mut parts = [&[][..]; 9];
    parts[..5].copy_from_slice(&head);
    parts[5..].copy_from_slice(&station);
    ask(socket, libc::RTM_NEWNEIGH, SET, &parts)
}

/// A `struct ndtmsg`, the table's name and the parameters for the interface.
fn stop_probes(socket: BorrowedFd<'_>, index: [u8; 4]) -> Result<()> {
    let name = [&14u16.to_ne_bytes()[..], &NDTA_NAME.to_ne_bytes(), b"arp_cache\0", &[0; 2]];
    let none = [0; 4];
    ask(
        socket,
        libc::RTM_SETNEIGHTBL,
        0,
        &[
            &[libc::AF_INET as u8, 0, 0, 0],
            name[0],
            name[1],
            name[2],
            name[3],
            &36u16.to_ne_bytes(),
            &NDTA_PARMS.to_ne_bytes(),
            &attribute(NDTPA_IFINDEX, index),
            &attribute(NDTPA_APP_PROBES, none),
            &attribute(NDTPA_UCAST_PROBES, none),
            &attribute(NDTPA_MCAST_PROBES, none),
        ],
    )
}

/// `struct rtattr` and a value of four bytes.
fn attribute(kind: u16, value: [u8; 4]) -> [u8; 8] {
    let ([a, b], [c, d]) = (8u16.to_ne_bytes(), kind.to_ne_bytes());
    let [e, f, g, h] = value;
    [a, b, c, d, e, f, g, h]
}

/// Sends a request and takes the answer.
fn ask(socket: BorrowedFd<'_>, kind: u16, flags: u16, parts: &[&[u8]]) -> Result<()> {
    let mut request = [0; REQUEST_MAX];
    let mut length = HEADER;
    for part in parts {
        let place = request.get_mut(length..length + part.len()).ok_or(Errno::NOBUFS)?;
        place.copy_from_slice(part);
        length += part.len();
    }
    request[..4].copy_from_slice(&(length as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&kind.to_ne_bytes());
    request[6..8].copy_from_slice(&(ASK | flags).to_ne_bytes());
    send(socket, &request[..length], SendFlags::empty())?;
    let mut answer = [0; 2 * REQUEST_MAX];
    let (_, length) = recv(socket, &mut answer, RecvFlags::empty())?;
    let code = answer[..length].get(HEADER..HEADER + 4).ok_or(Errno::PROTO)?;
    match i32::from_ne_bytes([code[0], code[1], code[2], code[3]]) {
        0 => Ok(()),
        code => Err(Errno::from_raw_os_error(code.wrapping_neg())),
    }
}
