//! `cgroup.events` (cgroup v2): whether there are processes, and whether all of them are held.

use coble_sys::rustix::event::{PollFd, PollFlags};
use coble_sys::rustix::fs::{self, Mode, OFlags};
use coble_sys::rustix::io;

use crate::Error;
use crate::deadline::Deadline;
use crate::place::Place;

/// Waits until the lines of the file are as they should be, and says whether they are by the deadline.
/// poll(2) tells of a change since the last read.
///
/// # Errors
/// [`Error::Os`], also if the cgroup is gone.
pub(crate) fn wait_until(
    place: &Place,
    deadline: &Deadline,
    is_so: impl Fn(&[u8]) -> bool,
) -> Result<bool, Error> {
    let path = format!("{}/cgroup.events", place.dir());
    let failed = |errno| Error::os("read", &path, errno);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let fd = fs::open(&*path, flags, Mode::empty()).map_err(failed)?;
    let mut buffer = [0; 256];
    loop {
        let length = io::pread(&fd, &mut buffer, 0).map_err(failed)?;
        if is_so(&buffer[..length]) {
            return Ok(true);
        }
        if deadline.is_over() {
            return Ok(false);
        }
        deadline.wait(&mut [PollFd::new(&fd, PollFlags::PRI)]).map_err(failed)?;
    }
}

/// Whether one of the lines is this one.
pub(crate) fn has_line(text: &[u8], line: &str) -> bool {
    text.split(|&byte| byte == b'\n').any(|one| one == line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole() {
        let text = b"populated 1\nfrozen 0\n";
        assert!(has_line(text, "populated 1") && has_line(text, "frozen 0"));
        assert!(!has_line(text, "frozen 1") && !has_line(text, "populated"));
    }
}
