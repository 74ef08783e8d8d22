//! What may be mounted on `/proc` and below it. Whoever covers a part of it can forge what the kernel says, and keep a
//! runtime's own words from it (CVE-2019-16884, CVE-2019-19921).

use coble_plan::mount as bits;
use coble_spec::Mount;

use crate::mount_options::MountOptions;

/// Files of a procfs that engines replace with their own (lxcfs and its like).
const FILES: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// What the step has to know about a procfs. `path` is the cleaned destination; where links lead, the step itself sees.
///
/// # Errors
/// Why the mount is refused, in runc's words.
pub(super) fn flags(path: &str, mount: &Mount, options: &MountOptions) -> Result<u32, String> {
    let binds = options.binds(&mount.kind);
    let is_new_procfs = !binds && mount.kind == "proc";
    match path.strip_prefix("/proc") {
        _ if options.remount => Ok(0),
        Some("") if binds => Ok(bits::OVER_PROC | bits::ONLY_PROCFS),
        Some("") if !is_new_procfs => {
            Err(format!("{path:?} cannot be mounted because it is not of type proc"))
        }
        Some(below) if below.starts_with('/') && FILES.contains(&path) => Ok(bits::OVER_PROC),
        Some(below) if below.starts_with('/') => {
            Err(format!("{path:?} cannot be mounted because it is inside /proc"))
        }
        _ => Ok(if is_new_procfs { bits::OVER_PROC } else { 0 }),
    }
}
