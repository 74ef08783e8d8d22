//! Notifications of seccomp_unotify(2): calls that wait for what another process says.

use core::mem::size_of;

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Result;

use crate::arch::syscall;

/// Request numbers (include/uapi/linux/seccomp.h).
const NOTIF_RECV: usize = 0xc050_2100;
const NOTIF_SEND: usize = 0xc018_2101;
const NOTIF_ID_VALID: usize = 0x4008_2102;
/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE` (Linux 5.5).
const CONTINUE: u32 = 1;

/// A call that waits: `struct seccomp_notif`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// Names it in the answer.
    pub id: u64,
    /// The thread that makes it, in the pid namespace of the caller.
    pub pid: u32,
    flags: u32,
    /// Its number.
    pub number: u32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Where the program is.
    pub instruction_pointer: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
struct Response {
    id: u64,
    val: i64,
    error: i32,
    flags: u32,
}

const _: () = assert!(size_of::<Notification>() == 80 && size_of::<Response>() == 24);

/// Takes the next call that waits.
///
/// # Errors
/// As seccomp_unotify(2): `ENOENT` if the call was given up meanwhile.
pub fn notification(listener: BorrowedFd<'_>) -> Result<Notification> {
    let mut notification = Notification::default();
    // SAFETY: the kernel fills a structure of this length, which has to be zero before; any bytes are its fields.
    unsafe { ioctl(listener, NOTIF_RECV, (&raw mut notification).cast()) }?;
    Ok(notification)
}

/// Whether the call still waits, so that what is known of its process is not another's.
pub fn is_waiting(listener: BorrowedFd<'_>, id: u64) -> bool {
    let mut id = id;
    // SAFETY: the kernel reads a number of this length.
    unsafe { ioctl(listener, NOTIF_ID_VALID, (&raw mut id).cast()) }.is_ok()
}

/// Lets the call be carried out. Its arguments are those that were told; what they point to may have changed.
///
/// # Errors
/// As seccomp_unotify(2): `ENOENT` if the call was given up meanwhile.
pub fn let_through(listener: BorrowedFd<'_>, id: u64) -> Result<()> {
    respond(listener, Response { id, val: 0, error: 0, flags: CONTINUE })
}

/// Has the call fail with this error number.
///
/// # Errors
/// As seccomp_unotify(2): `ENOENT` if the call was given up meanwhile.
pub fn refuse(listener: BorrowedFd<'_>, id: u64, errno: i32) -> Result<()> {
    respond(listener, Response { id, val: 0, error: -errno, flags: 0 })
}

fn respond(listener: BorrowedFd<'_>, mut response: Response) -> Result<()> {
    // SAFETY: the kernel reads a structure of this length.
    unsafe { ioctl(listener, NOTIF_SEND, (&raw mut response).cast()) }
}

/// # Safety
/// `argument` points to the structure that the request is about.
unsafe fn ioctl(fd: BorrowedFd<'_>, request: usize, argument: *mut u8) -> Result<()> {
    let args = [fd.as_raw_fd() as usize, request, argument as usize, 0, 0, 0];
    // SAFETY: the caller answers for it.
    unsafe { syscall(libc::SYS_ioctl, args) }.map(drop)
}
