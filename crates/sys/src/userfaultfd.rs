//! userfaultfd(2): a thread that waits without a system call, until another one lets it go on.

use core::ptr::null_mut;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, Result, read};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use crate::arch::syscall;

/// Only faults of programs are handled, not those of the kernel on their behalf: nobody needs privileges for that
/// (Linux 5.11).
const USER_MODE_ONLY: usize = 1;
/// Request numbers (include/uapi/linux/userfaultfd.h).
const UFFDIO_API: usize = 0xc018_aa3f;
const UFFDIO_REGISTER: usize = 0xc020_aa00;
const UFFDIO_ZEROPAGE: usize = 0xc020_aa04;
const UFFD_API: u64 = 0xaa;
const MODE_MISSING: u64 = 1;
const EVENT_PAGEFAULT: u8 = 0x12;

/// Bytes of the largest page of any architecture.
const LARGEST_PAGE: usize = 64 << 10;

/// A page that isn't there. Whoever reads it waits, without a system call, until [`fill`] is called, or nobody has the
/// descriptor any more.
#[derive(Debug)]
pub struct MissingPage(*const u8);

impl MissingPage {
    /// Makes one, and the descriptor with which it is filled; it is readable once somebody waits.
    ///
    /// # Errors
    /// As userfaultfd(2): `EPERM` where the kernel leaves that to privileged processes, `ENOSYS` where it can't.
    pub fn new() -> Result<(Self, OwnedFd)> {
        let fd = userfaultfd(USER_MODE_ONLY).or_else(|errno| match errno {
            Errno::INVAL => userfaultfd(0),
            errno => Err(errno),
        })?;
        ioctl(fd.as_fd(), UFFDIO_API, &mut [UFFD_API, 0, 0])?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses an address that nothing else uses. The memory is never given back.
        let page = unsafe { mmap_anonymous(null_mut(), LARGEST_PAGE, access, MapFlags::PRIVATE) }?;
        let range = [page as u64, LARGEST_PAGE as u64];
        ioctl(fd.as_fd(), UFFDIO_REGISTER, &mut [range[0], range[1], MODE_MISSING, 0])?;
        Ok((Self(page.cast()), fd))
    }

    /// Waits until it is there.
    pub fn wait(&self) {
        // SAFETY: the memory is this page's until the process ends, and whatever it holds is a byte.
        unsafe { self.0.read_volatile() };
    }
}

/// Lets the one who waits for a [`MissingPage`] go on.
///
/// # Errors
/// As ioctl_userfaultfd(2); `EAGAIN` if nobody waits.
pub fn fill(fd: BorrowedFd<'_>) -> Result<()> {
    // `struct uffd_msg`: the event comes first, the address third.
    let mut message = [0; 32];
    let length = read(fd, &mut message)?;
    if length != message.len() || message[0] != EVENT_PAGEFAULT {
        return Err(Errno::BADMSG);
    }
    let [.., a, b, c, d, e, f, g, h] = *message.first_chunk::<24>().ok_or(Errno::BADMSG)?;
    // Its first byte is waited for, so that this is where it begins.
    let address = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
    ioctl(fd, UFFDIO_ZEROPAGE, &mut [address, LARGEST_PAGE as u64, 0, 0])
}

fn userfaultfd(flags: usize) -> Result<OwnedFd> {
    let flags = flags | (libc::O_CLOEXEC | libc::O_NONBLOCK) as usize;
    // SAFETY: the call takes a number only.
    let fd = unsafe { syscall(libc::SYS_userfaultfd, [flags, 0, 0, 0, 0, 0]) }?;
    // SAFETY: the kernel has just made the descriptor, and nothing else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// `words` are the request's structure, which consists of 64-bit fields.
fn ioctl<const N: usize>(fd: BorrowedFd<'_>, request: usize, words: &mut [u64; N]) -> Result<()> {
    let args = [fd.as_raw_fd() as usize, request, words.as_mut_ptr() as usize, 0, 0, 0];
    // SAFETY: the request's number says how long its structure is, which is what `words` has room for; memory that
    // the structure names lives through the call, or is there until the process ends.
    unsafe { syscall(libc::SYS_ioctl, args) }.map(drop)
}
