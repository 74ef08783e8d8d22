//! What coble can't do yet. Each function here goes when its subject comes.

use coble_spec::{Linux, Spec};

use super::Invalid;
use super::annotations::SECCOMP;

pub(super) fn check(spec: &Spec, linux: &Linux) -> Result<(), Invalid> {
    seccomp(spec, linux)
}

fn seccomp(spec: &Spec, linux: &Linux) -> Result<(), Invalid> {
    let (name, value) = SECCOMP;
    if linux.seccomp.is_none() || spec.annotations.contains_key(name) {
        return Ok(());
    }
    let reason = format!(
        "system call filters are not supported yet; the annotation \"{name}\": \"{value}\" runs the container without one"
    );
    Err(Invalid::at("/linux/seccomp", reason))
}
