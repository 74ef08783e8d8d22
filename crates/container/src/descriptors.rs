//! Descriptors that the caller hands on to the program.

use coble_sys::libc;

use crate::error::{Error, Result};

/// Sockets that a service manager has opened, which the program gets from descriptor 3 on, with the variables that
/// tell it so, sd_listen_fds(3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// How many.
    pub count: u32,
    /// Their names, as `LISTEN_FDNAMES` has them.
    pub names: Option<String>,
}

impl Activation {
    /// Those that are meant for this process, by its variables `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`.
    ///
    /// It is for a command that stands in for the program. A service that makes containers has sockets of its own,
    /// which none of them is to get.
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let count = variable("LISTEN_FDS").and_then(|count| count.parse().ok()).unwrap_or(0);
        let own = std::process::id().to_string();
        if count == 0 || variable("LISTEN_PID").is_some_and(|pid| pid != own) {
            return Self::default();
        }
        Self { count, names: variable("LISTEN_FDNAMES") }
    }

    /// How many descriptors from 3 on the program gets, and its variables. `wanted` are those of `--preserve-fds`,
    /// which come after the sockets.
    ///
    /// # Errors
    /// One of them is not open.
    pub(crate) fn passed_on(&self, wanted: u32) -> Result<(u32, Vec<String>)> {
        let total = self.count.saturating_add(wanted);
        for number in 3..3u32.saturating_add(total) {
            if !is_handed_on(number) {
                let place = number - 2;
                return Err(Error::new(format!(
                    "unable to stat preserved-fd {place} (of {total}): descriptor {number} is not open"
                )));
            }
        }
        Ok((total, self.environment()))
    }

    fn environment(&self) -> Vec<String> {
        if self.count == 0 {
            return Vec::new();
        }
        let mut environment = vec![format!("LISTEN_FDS={}", self.count), "LISTEN_PID=1".to_owned()];
        environment.extend(self.names.as_ref().map(|names| format!("LISTEN_FDNAMES={names}")));
        environment
    }
}

/// Whether the caller left a descriptor open. What this process has opened itself is close-on-exec, which the
/// caller's can't be, proc_pid_fdinfo(5).
fn is_handed_on(number: u32) -> bool {
    let path = format!("/proc/thread-self/fdinfo/{number}");
    let info = std::fs::read_to_string(path).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_CLOEXEC as u32 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_passed_on_unasked() {
        assert_eq!(Activation::default().passed_on(0), Ok((0, Vec::new())));
    }

    #[test]
    fn a_descriptor_of_this_process_itself_is_none_of_the_callers() {
        use std::os::fd::AsRawFd;
        let own = std::fs::File::open("/dev/null").unwrap();
        assert!(!is_handed_on(u32::try_from(own.as_raw_fd()).unwrap()));
    }

    #[test]
    fn the_program_is_told_how_many_and_which() {
        let two = Activation { count: 2, names: Some("a:b".to_owned()) };
        assert_eq!(two.environment(), ["LISTEN_FDS=2", "LISTEN_PID=1", "LISTEN_FDNAMES=a:b"]);
    }
}
