//! Annotations that change what coble does: its own, and those of crun's that have a use here (crun.1, "Annotations").
//!
//! All that begin with one of [`PREFIXES`] are carried out or refused. The others are words for other programs.

use coble_spec::{Spec, reference_token};

use super::text::quoted;
use super::{Invalid, mappings};
use crate::compile::KEEP_GROUPS;
use crate::delegation::{self, DELEGATE};
use crate::hook_output::{HOOKS_STDERR, HOOKS_STDOUT};
use crate::pidfd_socket::RECEIVER;
use crate::root_ids::{self, POINTER, ROOT_IDS};
use crate::selinux::{CONTEXT_TYPE, CONTEXT_TYPES};
use crate::subgroup::{self, SUBGROUP};

/// How annotations begin that are meant for the runtime.
pub(crate) const PREFIXES: [&str; 2] = ["coble.", "run.oci."];

/// Fail for a name in `linux.seccomp` that is no system call's.
pub(crate) const FAIL_UNKNOWN_SYSCALL: &str = "run.oci.seccomp_fail_unknown_syscall";

pub(super) fn check(spec: &Spec) -> Result<(), Invalid> {
    let annotations = spec.annotations.iter();
    let ours =
        annotations.filter(|(name, _)| PREFIXES.iter().any(|prefix| name.starts_with(prefix)));
    for (name, value) in ours {
        one(name, value).map_err(|reason| {
            Invalid::at(format!("/annotations/{}", reference_token(name)), reason)
        })?;
    }
    root_ids(spec)
}

fn root_ids(spec: &Spec) -> Result<(), Invalid> {
    let wrong = |reason: String| Invalid::at(POINTER, reason);
    let Some(ids) = root_ids::root_ids(spec).map_err(wrong)? else { return Ok(()) };
    for list in [&ids.uids, &ids.gids] {
        mappings::list(list, POINTER).map_err(|invalid| wrong(invalid.reason))?;
    }
    Ok(())
}

fn one(name: &str, value: &str) -> Result<(), String> {
    match name {
        RECEIVER | HOOKS_STDOUT | HOOKS_STDERR if !value.starts_with('/') => {
            Err(format!("{} is not an absolute path", quoted(value)))
        }
        RECEIVER | HOOKS_STDOUT | HOOKS_STDERR | KEEP_GROUPS => Ok(()),
        CONTEXT_TYPE if !CONTEXT_TYPES.contains(&value) => {
            Err(format!("{} is none of {}", quoted(value), CONTEXT_TYPES.join(", ")))
        }
        CONTEXT_TYPE => Ok(()),
        DELEGATE => delegation::check(value),
        FAIL_UNKNOWN_SYSCALL | ROOT_IDS => Ok(()),
        SUBGROUP => subgroup::check(value),
        _ => Err("this annotation is not supported".to_owned()),
    }
}
