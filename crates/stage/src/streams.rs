//! Whose the standard streams are.

use coble_sys::rustix::fd::BorrowedFd;
use coble_sys::rustix::fs::{FileType, Uid, fchown, fstat};
use coble_sys::rustix::io::Errno;

use crate::fault::{During, Outcome};

/// [`coble_plan::Step::OwnStreams`]
///
/// A program that opens `/dev/stdout` opens the file behind it once more, which takes a right to it: a new terminal
/// is root's, and so is an engine's pipe. Files and devices of the caller stay the caller's.
pub(crate) fn own(uid: u32, terminal: bool) -> Outcome {
    let kind = if terminal { FileType::CharacterDevice } else { FileType::Fifo };
    for number in 0..3 {
        // SAFETY: the standard streams are open from the beginning, and nothing closes them.
        let stream = unsafe { BorrowedFd::borrow_raw(number) };
        let stat = fstat(stream).during("fstat")?;
        if FileType::from_raw_mode(stat.st_mode) != kind || stat.st_uid == uid {
            continue;
        }
        match fchown(stream, Some(Uid::from_raw(uid)), None) {
            // Its owner is nobody in this user namespace, or it lies where nothing can be changed: it works as it is.
            Err(Errno::PERM | Errno::INVAL | Errno::ROFS) => {}
            outcome => outcome.during("fchown")?,
        }
    }
    Ok(())
}
