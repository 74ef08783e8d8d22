//! Descriptors that the caller hands on to the program.

use coble_sys::libc;

use crate::error::{Error, Result};

/// How many descriptors from 3 on the program gets, and the variables that tell it about those of socket
/// activation, sd_listen_fds(3). `wanted` are those of `--preserve-fds`, which come after them.
///
/// # Errors
/// One of them is not open.
pub(crate) fn passed_on(wanted: u32) -> Result<(u32, Vec<String>)> {
    let (activated, environment) = activation();
    let total = activated.saturating_add(wanted);
    for number in 3..3u32.saturating_add(total) {
        if !is_handed_on(number) {
            let place = number - 2;
            return Err(Error::new(format!(
                "unable to stat preserved-fd {place} (of {total}): descriptor {number} is not open"
            )));
        }
    }
    Ok((total, environment))
}

/// Whether the caller left a descriptor open. What this process has opened itself is close-on-exec, which the
/// caller's can't be, proc_pid_fdinfo(5).
fn is_handed_on(number: u32) -> bool {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_CLOEXEC as u32 == 0)
}

/// `LISTEN_FDS`, if they are meant for this process.
fn activation() -> (u32, Vec<String>) {
    let variable = |name: &str| std::env::var(name).ok();
    let Some(count) = variable("LISTEN_FDS").and_then(|count| count.parse::<u32>().ok()) else {
        return (0, Vec::new());
    };
    let own = std::process::id().to_string();
    if count == 0 || variable("LISTEN_PID").is_some_and(|pid| pid != own) {
        return (0, Vec::new());
    }
    let mut environment = vec![format!("LISTEN_FDS={count}"), "LISTEN_PID=1".to_owned()];
    if let Some(names) = variable("LISTEN_FDNAMES") {
        environment.push(format!("LISTEN_FDNAMES={names}"));
    }
    (count, environment)
}
