//! Why clone3(2) makes no process in new namespaces, and what helps.

use std::fs;

use coble_sys::libc;
use coble_sys::rustix::io::Errno;

use crate::error::Error;

/// What the kernel, or a filter, judges the caller by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    has_sys_admin: bool,
    pub(crate) is_filtered: bool,
    /// `kernel.unprivileged_userns_clone`, which Debian's kernels have, is 0.
    may_make_no_users: bool,
    /// `kernel.apparmor_restrict_unprivileged_userns`, which Ubuntu's kernels have, is 1: a plain user's program that no profile
    /// says otherwise of makes user namespaces, and has no rights in them.
    may_do_nothing_there: bool,
}

/// The error of a clone3(2) with these `CLONE_NEW*`.
pub(crate) fn refused_clone(errno: Errno, namespaces: u64) -> Error {
    let error = Error::os("clone3", errno);
    match reason(errno, namespaces, Caller::look()) {
        Some(reason) => error.followed_by(reason),
        None => error,
    }
}

/// Engines' profiles answer ENOSYS, so that C libraries try clone(2), whose flags a filter can see; others answer EPERM.
fn reason(errno: Errno, namespaces: u64, caller: Caller) -> Option<&'static str> {
    const FILTERED: &str = "a filter of system calls around this process denies it, as the default profiles of engines do to containers \
         without CAP_SYS_ADMIN; what helps is to run the outer container with --security-opt seccomp=unconfined \
         and, for a /proc of the new one's own, with --security-opt systempaths=unconfined (with Podman \
         unmask=ALL)";
    let has_user = namespaces & libc::CLONE_NEWUSER as u64 != 0;
    match errno {
        Errno::NOSYS if caller.is_filtered => Some(FILTERED),
        Errno::NOSYS => Some("it comes with Linux 5.3"),
        Errno::PERM if !has_user && !caller.has_sys_admin => Some(
            "new namespaces take CAP_SYS_ADMIN, or a new user namespace beside them in linux.namespaces, as coble \
             spec --rootless writes it",
        ),
        Errno::PERM if has_user && caller.may_make_no_users && !caller.has_sys_admin => Some(
            "user namespaces are root's alone here: sysctl kernel.unprivileged_userns_clone=1 changes that",
        ),
        Errno::PERM | Errno::ACCESS if has_user && caller.restriction().is_some() => {
            caller.restriction()
        }
        Errno::PERM if caller.is_filtered => Some(FILTERED),
        Errno::NOSPC => Some(
            "there may be no more namespaces: /proc/sys/user has the limits of this user namespace, and those above \
             have their own (namespaces(7))",
        ),
        _ => None,
    }
}

impl Caller {
    /// This process.
    pub(crate) fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let switch = |name| read(&format!("/proc/sys/kernel/{name}"));
        let switches =
            ["unprivileged_userns_clone", "apparmor_restrict_unprivileged_userns"].map(switch);
        Self::of(&read("/proc/thread-self/status"), switches.each_ref().map(String::as_str))
    }

    /// What a step that the kernel denies may have failed for.
    pub(crate) fn restriction(self) -> Option<&'static str> {
        (self.may_do_nothing_there && !self.has_sys_admin).then_some(
            "AppArmor may have taken the rights in the new user namespace: what helps is a profile for coble with the rule \
             userns, or sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        )
    }

    /// From `/proc/PID/status` (proc(5)) and the contents of the two switches, empty where there is none.
    fn of(status: &str, [may_make, may_do_nothing]: [&str; 2]) -> Self {
        let field = |name: &str| {
            let value = |line: &str| line.strip_prefix(name).map(|value| value.trim().to_owned());
            status.lines().find_map(value).unwrap_or_default()
        };
        let effective = u64::from_str_radix(&field("CapEff:"), 16).unwrap_or_default();
        Self {
            has_sys_admin: effective & (1 << SYS_ADMIN) != 0,
            is_filtered: field("Seccomp:") == "2",
            may_make_no_users: may_make.trim() == "0",
            may_do_nothing_there: may_do_nothing.trim() == "1",
        }
    }
}

/// CAP_SYS_ADMIN in capabilities(7).
const SYS_ADMIN: u32 = 21;

#[cfg(test)]
mod tests {
    use super::*;

    const USER: u64 = libc::CLONE_NEWUSER as u64;
    const MOUNT: u64 = libc::CLONE_NEWNS as u64;

    #[test]
    fn the_caller_is_read() {
        let status = "Name:\tx\nCapEff:\t0000000000200000\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        let all = Caller {
            has_sys_admin: true,
            is_filtered: true,
            may_make_no_users: true,
            may_do_nothing_there: true,
        };
        assert_eq!(Caller::of(status, ["0\n", "1\n"]), all);
        let none = "CapEff:\t00000000a80425fb\nSeccomp:\t0\nSeccomp_filters:\t0\n";
        assert_eq!(Caller::of(none, ["1\n", "0\n"]), Caller::default());
        assert_eq!(Caller::of("", ["", ""]), Caller::default());
        assert_eq!(all.restriction(), None, "root's rights are its own");
        let plain = Caller::of(none, ["1\n", "1\n"]).restriction().unwrap_or_default();
        assert!(plain.contains("sysctl kernel.apparmor_restrict_unprivileged_userns=0"), "{plain}");
    }

    #[track_caller]
    fn says(errno: Errno, namespaces: u64, caller: Caller, words: &str) {
        let reason = reason(errno, namespaces, caller).unwrap_or_default();
        assert!(reason.contains(words), "{reason}");
    }

    #[test]
    fn each_cause_has_its_reason() {
        let plain = Caller::default();
        let root = Caller { has_sys_admin: true, ..plain };
        let filtered = Caller { is_filtered: true, ..plain };
        let switched_off = Caller { may_make_no_users: true, ..plain };
        says(Errno::NOSYS, MOUNT, filtered, "seccomp=unconfined");
        says(Errno::PERM, USER | MOUNT, filtered, "seccomp=unconfined");
        says(Errno::PERM, MOUNT, Caller { is_filtered: true, ..root }, "seccomp=unconfined");
        says(Errno::NOSYS, MOUNT, root, "Linux 5.3");
        says(Errno::PERM, MOUNT, plain, "take CAP_SYS_ADMIN");
        says(Errno::PERM, USER, switched_off, "kernel.unprivileged_userns_clone=1");
        let restricted = Caller { may_do_nothing_there: true, ..plain };
        says(Errno::ACCESS, USER, restricted, "kernel.apparmor_restrict_unprivileged_userns=0");
        says(Errno::PERM, MOUNT, restricted, "take CAP_SYS_ADMIN");
        says(Errno::NOSPC, USER, plain, "/proc/sys/user");
        assert_eq!(reason(Errno::PERM, MOUNT, root), None);
        assert_eq!(reason(Errno::PERM, USER, plain), None);
        assert_eq!(reason(Errno::NOMEM, USER, filtered), None);
    }
}
