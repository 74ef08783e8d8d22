//! The standard streams.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, Result};

/// Opens `/dev/null` in place of standard streams that are closed, so that no file that is opened later is taken for
/// one of them.
///
/// # Errors
/// As open(2) and poll(2).
pub fn open_closed_streams() -> Result<()> {
    let now = Timespec::default();
    // SAFETY: the kernel is asked whether they are open, and nothing else is done with them.
    let streams = [0, 1, 2].map(|number| unsafe { BorrowedFd::borrow_raw(number) });
    let mut streams = streams.map(|stream| PollFd::from_borrowed_fd(stream, PollFlags::empty()));
    match poll(&mut streams, Some(&now)) {
        Ok(_) => {}
        Err(Errno::INTR | Errno::AGAIN) => return open_closed_streams(),
        Err(errno) => return Err(errno),
    }
    for stream in streams {
        if stream.revents().contains(PollFlags::NVAL) {
            // It gets the lowest number that is free.
            let null = open(c"/dev/null", OFlags::RDWR, Mode::empty())?;
            core::mem::forget(null);
        }
    }
    Ok(())
}
