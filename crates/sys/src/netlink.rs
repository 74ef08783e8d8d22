//! netlink(7): options of a socket, which rustix has not.

use core::mem::size_of;

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Result;

use crate::arch::syscall;

/// Lets the kernel say in words why it refuses a request (Linux 4.12), and leave the request itself out of its answer
/// (Linux 4.3).
///
/// # Errors
/// As setsockopt(2).
pub fn netlink_explain(socket: BorrowedFd<'_>) -> Result<()> {
    const NETLINK_CAP_ACK: usize = 10;
    const NETLINK_EXT_ACK: usize = 11;
    let on: libc::c_int = 1;
    [NETLINK_CAP_ACK, NETLINK_EXT_ACK].into_iter().try_for_each(|option| {
        let args = [
            socket.as_raw_fd() as usize,
            libc::SOL_NETLINK as usize,
            option,
            &raw const on as usize,
            size_of::<libc::c_int>(),
            0,
        ];
        // SAFETY: the kernel only reads the number, which lives through the call.
        unsafe { syscall(libc::SYS_setsockopt, args) }.map(drop)
    })
}
