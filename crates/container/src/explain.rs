//! What the executor says of a failure, as an error that names the step and the place in the configuration.

use coble_plan::{Failure, NOBODYS, Plan, Step, filter_action, mount};
use coble_sys::rustix::io::Errno;
use coble_sys::{errno_words, libc};

use crate::error::{Error, ErrorKind};
use crate::filter;
use crate::host_mounts::hidden_part;
use crate::refused_clone::Caller;

/// Turns a failure of the executor into an error that names the step and where it comes from.
pub(crate) fn explain(plan: &Plan, step: u32, errno: i32, action: &str, detail: &str) -> Error {
    let why = if errno == 0 { String::new() } else { errno_words(Errno::from_raw_os_error(errno)) };
    let found = plan.get(step as usize);
    let errno = (errno != 0).then_some(errno);
    if let Some((Step::FindProgram { .. } | Step::Exec { .. }, _)) = found {
        return Error::of(ErrorKind::Program { errno }, explain_program(action, detail, &why));
    }
    if let Some((Step::Hook { .. }, origin)) = found {
        let place = origin.trim_start_matches("/hooks/").rsplit_once('/');
        let name = place.map_or(origin.to_owned(), |(kind, index)| format!("{kind} hook #{index}"));
        return explain_hook(&name, [action, detail, &why]);
    }
    let mut text = match found {
        Some((step, "")) => format!("{step}: {action}"),
        Some((step, origin)) => format!("{step} ({origin}): {action}"),
        None => action.to_owned(),
    };
    let hint = found.and_then(|(step, _)| hint(&step, errno?, action)).unwrap_or_default();
    for part in [detail, &why, &hint] {
        if !part.is_empty() {
            text.push_str(": ");
            text.push_str(part);
        }
    }
    let kind = found.map_or(ErrorKind::Other, |(step, origin)| ErrorKind::Step {
        step: step.name(),
        pointer: origin.to_owned(),
        errno,
    });
    Error::of(kind, text)
}

/// What an error number alone doesn't tell.
fn hint(step: &Step<'_>, errno: i32, action: &str) -> Option<String> {
    if let (Step::MountFs { fstype, .. } | Step::MountClassic { fstype, .. }, libc::EPERM) =
        (step, errno)
    {
        let hint = hint_at_new(fstype.to_str().ok()?, action);
        return hint.or_else(|| Caller::look().restriction().map(str::to_owned));
    }
    let fixed = fixed_hint(step, errno, action);
    let filtered = || filtered_hint(step, errno, action).filter(|_| Caller::look().is_filtered);
    let restricted = || Caller::look().restriction().filter(|_| takes_rights(step, errno));
    fixed.or_else(filtered).or_else(restricted).map(str::to_owned)
}

/// Whether the kernel has denied a step that every root of a user namespace may do.
fn takes_rights(step: &Step<'_>, errno: i32) -> bool {
    let takes = matches!(
        step,
        Step::Unshare { .. }
            | Step::LoopbackUp {}
            | Step::Propagation { .. }
            | Step::ParentPropagation { .. }
            | Step::OpenRoot { .. }
            | Step::MountFs { .. }
            | Step::MountClassic { .. }
            | Step::MountBind { .. }
            | Step::PivotRoot { .. }
            | Step::MoveRoot {}
            | Step::Hostname { .. }
    );
    takes && matches!(errno, libc::EPERM | libc::EACCES)
}

/// What engines' default profiles deny whatever the capabilities, if there is a filter of system calls around this process: the
/// kernel itself lets everybody, and who has made the mount namespace.
fn filtered_hint(step: &Step<'_>, errno: i32, action: &str) -> Option<&'static str> {
    match (step, errno) {
        (Step::SessionKeyring { .. }, libc::EPERM | libc::ENOSYS) => Some(
            "a filter of system calls around this process denies it; what helps is --no-new-keyring, or to run the outer \
             container with --security-opt seccomp=unconfined",
        ),
        (Step::PivotRoot { .. }, libc::EPERM | libc::ENOSYS) if action == "pivot_root" => Some(
            "a filter of system calls around this process denies it; what helps is to run the outer container with \
             --security-opt seccomp=unconfined",
        ),
        _ => None,
    }
}

/// Why a user namespace gets no procfs or sysfs, user_namespaces(7): it would show more than is in sight, or belongs to
/// somebody else's namespace.
fn hint_at_new(kind: &str, action: &str) -> Option<String> {
    let needs = match kind {
        "proc" => "pid",
        "sysfs" => "network",
        _ => return None,
    };
    if !matches!(action, "fsmount" | "mount") {
        return Some(format!("in a user namespace it takes a new {needs} namespace"));
    }
    let hidden = hidden_part(kind)?;
    let hidden = hidden.display();
    Some(format!(
        "{hidden} is mounted over here, and a user namespace gets a new {kind} only where one is in sight \
         with nothing hidden; what helps is to run the outer container without masked and read-only paths (with Docker \
         --security-opt systempaths=unconfined, with Podman --security-opt unmask=ALL), or a mount of the type \
         bind with the option rbind in place of {kind}"
    ))
}

fn fixed_hint(step: &Step<'_>, errno: i32, action: &str) -> Option<&'static str> {
    match (step, errno) {
        (
            Step::MountFs { fstype, .. } | Step::MountClassic { fstype, .. },
            libc::ELOOP | libc::ENOTDIR,
        ) if matches!(fstype.to_bytes(), b"proc" | b"sysfs") => {
            Some("it must be mounted on ordinary directory")
        }
        // mount_namespaces(7), "Restrictions on mount namespaces": what is below could be hiding something.
        (Step::MountBind { flags, .. }, libc::EINVAL)
            if action == "open_tree" && flags & mount::RECURSIVE == 0 =>
        {
            Some(
                "it is unbindable, or has mounts below that a user namespace takes only with rbind",
            )
        }
        // sched_setattr(2): a deadline has to be kept on every processor.
        (Step::Scheduler { .. }, libc::EPERM) => Some(
            "process scheduler can't be used together with AllowedCPUs, nor without CAP_SYS_NICE",
        ),
        (_, libc::EPERM) if action == filter_action::WAIT => Some(
            "notifications take userfaultfd(2), which before Linux 5.11 is root's of the host alone: sysctl \
             vm.unprivileged_userfaultfd=1 changes that",
        ),
        (_, libc::ENOSYS) if action == filter_action::WAIT => {
            Some("notifications take userfaultfd(2), which this kernel was built without")
        }
        _ if action == NOBODYS => Some(
            "it belongs to an id that the user namespace has none for: what helps is to give the root file system to the \
             container's root, or the annotation coble.rootfs.idmap",
        ),
        _ => None,
    }
}

/// The same for a failure after the wait for `start`, where the plan is not known any more: a hook's, the filter's or
/// the program's.
pub(crate) fn explain_late(failure: &Failure<'_>) -> Error {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (action, detail) = (text(failure.action), text(failure.detail));
    let why = match failure.errno {
        0 => String::new(),
        errno => errno_words(Errno::from_raw_os_error(errno)),
    };
    if action == "execve" {
        let errno = (failure.errno != 0).then_some(failure.errno);
        return Error::of(ErrorKind::Program { errno }, explain_program(&action, &detail, &why));
    }
    if filter_action::ALL.contains(&action.as_str()) {
        let mut plan = Plan::default();
        plan.push(Step::SeccompFile { fd: -1 }, filter::POINTER);
        return explain(&plan, 0, failure.errno, &action, &detail);
    }
    explain_hook("startContainer hook", [&action, &detail, &why])
}

/// The words of the hooks that the parent runs, too.
fn explain_hook(name: &str, parts: [&str; 3]) -> Error {
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Error::of(ErrorKind::Hook, format!("error running {name}: {}", parts.join(": ")))
}

/// The words by which engines tell a program that is missing (127) from one that can't be run (126).
fn explain_program(action: &str, program: &str, why: &str) -> String {
    match action {
        // Docker's older clients look for the last words only.
        "exec" if why == "is a directory" => {
            format!("exec: {program:?}: is a directory: permission denied")
        }
        "stat" => format!("exec: {program:?}: stat {program}: {why}"),
        "exec" => format!("exec: {program:?}: {why}"),
        // It was there a moment ago: what is missing or can't be run may be its interpreter (execve(2)).
        "execve" => format!("exec {program}: {why}"),
        _ if why.is_empty() => format!("exec: {program:?}: {action}"),
        _ => format!("exec: {program:?}: {action}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(step: Step<'_>, errno: i32, action: &str) -> String {
        let mut plan = Plan::default();
        plan.push(step, "/place");
        explain(&plan, 0, errno, action, "/detail").to_string()
    }

    fn scheduler() -> Step<'static> {
        Step::Scheduler {
            policy: 6,
            nice: 0,
            priority: 0,
            flags: 0,
            runtime: 1,
            deadline: 2,
            period: 2,
        }
    }

    fn bind(flags: u32) -> Step<'static> {
        Step::MountBind {
            source: c"/s",
            destination: c"/d",
            set: 0,
            clear: 0,
            set_recursive: 0,
            clear_recursive: 0,
            flags,
            propagation: 0,
        }
    }

    #[test]
    fn a_restriction_is_looked_for_where_rights_were_missing() {
        assert!(takes_rights(&Step::Propagation { flags: 0 }, libc::EACCES));
        assert!(takes_rights(&bind(0), libc::EPERM));
        assert!(!takes_rights(&bind(0), libc::ENOENT));
        assert!(!takes_rights(&scheduler(), libc::EPERM));
    }

    #[test]
    fn the_step_its_place_and_the_reason_are_named() {
        let text = explained(bind(0), libc::EACCES, "open_tree");
        assert_eq!(
            text,
            "mount the host's /s on /d (/place): open_tree: /detail: permission denied"
        );
    }

    #[test]
    fn a_filter_that_start_can_not_load_is_no_hook() {
        let late = |action: &str| {
            let action = action.as_bytes();
            explain_late(&Failure { step: 7, errno: libc::EAGAIN, action, detail: b"" })
        };
        for action in filter_action::ALL {
            let error = late(action);
            let text = "load the system call filter (/linux/seccomp): ";
            assert!(error.to_string().starts_with(&format!("{text}{action}: ")), "{error}");
            let (step, pointer) = ("SeccompFile", "/linux/seccomp".to_owned());
            let errno = Some(libc::EAGAIN);
            assert_eq!(*error.kind(), ErrorKind::Step { step, pointer, errno });
        }
        assert_eq!(*late("pipe2").kind(), ErrorKind::Hook);
    }

    #[test]
    fn what_the_error_number_does_not_tell_is_said() {
        let text = explained(scheduler(), libc::EPERM, "sched_setattr");
        assert!(text.contains("operation not permitted: process scheduler can't be used together"));
        assert!(!explained(scheduler(), libc::EINVAL, "sched_setattr").contains("AllowedCPUs"));
        assert!(explained(bind(0), libc::EINVAL, "open_tree").ends_with("only with rbind"));
        let keyring = Step::SessionKeyring { name: c"_ses.x" };
        let hint = filtered_hint(&keyring, libc::EPERM, "keyctl").unwrap();
        assert!(hint.contains("what helps is --no-new-keyring"), "{hint}");
        let pivot = Step::PivotRoot { has_peers: 0 };
        let hint = filtered_hint(&pivot, libc::EPERM, "pivot_root").unwrap();
        assert!(hint.ends_with("--security-opt seccomp=unconfined"), "{hint}");
        assert_eq!(filtered_hint(&pivot, libc::EINVAL, "pivot_root"), None);
        assert_eq!(filtered_hint(&pivot, libc::EPERM, "chdir"), None);
        let filter = Step::SeccompFile { fd: 3 };
        let hint = explained(filter, libc::EPERM, filter_action::WAIT);
        assert!(hint.contains("sysctl vm.unprivileged_userfaultfd=1"), "{hint}");
        for (flags, action) in [(mount::RECURSIVE, "open_tree"), (0, "move_mount")] {
            assert!(!explained(bind(flags), libc::EINVAL, action).contains("rbind"));
        }
    }
}
