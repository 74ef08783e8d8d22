//! Tasks.

use serde::{Deserialize, Serialize};

use super::files::Files;
use super::is_default;
use crate::Error;

/// Tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PidsStats {
    /// How many there are; without the controller of cgroup v2, how many processes, without those of cgroups below.
    #[serde(skip_serializing_if = "is_default")]
    pub current: u64,
    /// How many there may be; 0 for any number.
    #[serde(skip_serializing_if = "is_default")]
    pub limit: u64,
}

pub(super) fn stats(files: &Files<'_>) -> Result<PidsStats, Error> {
    let Some(current) = files.number("pids.current")? else {
        let lines = files.text("cgroup.procs")?.unwrap_or_default().lines().count();
        return Ok(PidsStats { current: lines as u64, limit: 0 });
    };
    let limit = files.number("pids.max")?.filter(|&limit| limit != u64::MAX);
    Ok(PidsStats { current, limit: limit.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::tests::over;

    #[test]
    fn no_limit_is_0() {
        let on = |texts: &[(&str, &str)]| over(true, texts, stats).unwrap();
        let limited = on(&[("pids.current", "3\n"), ("pids.max", "9\n")]);
        assert_eq!(limited, PidsStats { current: 3, limit: 9 });
        let free = on(&[("pids.current", "3\n"), ("pids.max", "max\n")]);
        assert_eq!(free, PidsStats { current: 3, limit: 0 });
        assert_eq!(on(&[("cgroup.procs", "1\n22\n")]), PidsStats { current: 2, limit: 0 });
    }
}
