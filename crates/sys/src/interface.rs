//! netdevice(7): the loopback interface.

use rustix::fd::AsRawFd;
use rustix::io::Result;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::arch::syscall;

/// `struct ifreq` with `ifr_flags` in use.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; libc::IFNAMSIZ],
    flags: i16,
    padding: [u8; 22],
}

/// Brings `lo` of the calling thread's network namespace up.
///
/// # Errors
/// As socket(2) and the `SIOCSIFFLAGS` of netdevice(7).
pub fn loopback_up() -> Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    let mut request = InterfaceRequest {
        name: [0; libc::IFNAMSIZ],
        flags: (libc::IFF_UP | libc::IFF_RUNNING) as i16,
        padding: [0; 22],
    };
    request.name[..2].copy_from_slice(b"lo");
    let args = [
        socket.as_raw_fd() as usize,
        libc::SIOCSIFFLAGS as usize,
        &raw const request as usize,
        0,
        0,
        0,
    ];
    // SAFETY: the structure lives through the call and is as large as the kernel's.
    unsafe { syscall(libc::SYS_ioctl, args) }.map(drop)
}
