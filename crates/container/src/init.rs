//! A container's first process, told apart from another one that got its number later.

use std::fs::File;
use std::io::Read;

use coble_sys::rustix::fd::OwnedFd;
use coble_sys::rustix::io::Errno;
use coble_sys::rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A process by its number and its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Init {
    pub(crate) pid: i32,
    /// Clock ticks from the machine's start, field 22 of proc_pid_stat(5).
    pub(crate) start_time: u64,
}

/// What `/proc/PID/stat` says.
struct Stat {
    /// A letter.
    state: u8,
    start_time: u64,
}

impl Init {
    /// The process that has this number now.
    pub(crate) fn of(pid: i32) -> Result<Self> {
        let stat = Stat::read(pid)?
            .ok_or_else(|| Error::new(format!("process {pid} ended while it was made")))?;
        Ok(Self { pid, start_time: stat.start_time })
    }

    /// Whether it is there and has not ended.
    pub(crate) fn is_alive(self) -> Result<bool> {
        let stat = Stat::read(self.pid)?;
        Ok(stat.is_some_and(|stat| self.is(&stat)))
    }

    /// A descriptor of it; none if it has ended.
    pub(crate) fn pidfd(self) -> Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH | Errno::INVAL) => return Ok(None),
            Err(errno) => return Err(Error::os("pidfd_open", errno)),
        };
        // Only now can the number not change hands any more.
        let stat = Stat::read(self.pid)?;
        Ok(stat.is_some_and(|stat| self.is(&stat)).then_some(pidfd))
    }

    fn is(self, stat: &Stat) -> bool {
        stat.start_time == self.start_time && !matches!(stat.state, b'Z' | b'X')
    }
}

impl Stat {
    /// One read(2) gets the whole line: 52 fields, of which a name of at most 64 bytes is the longest.
    fn read(pid: i32) -> Result<Option<Self>> {
        let path = format!("/proc/{pid}/stat");
        let mut line = [0; 2048];
        match File::open(&path).and_then(|mut file| file.read(&mut line)) {
            Ok(length) => Self::parse(&line[..length])
                .map(Some)
                .ok_or_else(|| Error::new(format!("{path}: can't be understood"))),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(Error::at("read", path, error)),
        }
    }

    /// The name in parentheses may hold anything; the fields after the last parenthesis are counted from 3.
    fn parse(text: &[u8]) -> Option<Self> {
        let end = text.iter().rposition(|&byte| byte == b')')?;
        let mut fields = text.get(end + 2..)?.split(|&byte| byte == b' ');
        let state = *fields.next()?.first()?;
        let start_time = std::str::from_utf8(fields.nth(18)?).ok()?.trim_end().parse().ok()?;
        Some(Self { state, start_time })
    }
}

fn is_gone(error: &std::io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOENT | Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_is_passed_over() {
        let text = b"12 (a) R 1 (b) S 1 12 12 0 -1 4194560 5 0 0 0 0 0 0 0 20 0 1 0 98765 1 2 3\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.state, stat.start_time), (b'S', 98765));
        assert!(Stat::parse(b"12 (a").is_none());
        assert!(Stat::parse(b"12 (a) S 1 2").is_none());
    }

    #[test]
    fn a_reused_number_is_another_process() {
        let own = Init::of(std::process::id().cast_signed()).unwrap();
        assert!(own.is_alive().unwrap());
        assert!(own.pidfd().unwrap().is_some());
        let other = Init { start_time: own.start_time + 1, ..own };
        assert!(!other.is_alive().unwrap());
        assert!(other.pidfd().unwrap().is_none());
    }
}
