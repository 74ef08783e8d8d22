//! What coble can't do yet. Each function here goes when its subject comes.

use coble_spec::{Linux, Spec};

use super::Invalid;
use super::annotations::SECCOMP;

pub(super) fn check(spec: &Spec, linux: &Linux) -> Result<(), Invalid> {
    seccomp(spec, linux)?;
    mount_label(linux)
}

fn refuse(present: bool, pointer: &str, subject: &str) -> Result<(), Invalid> {
    match present {
        true => Err(Invalid::at(pointer, format!("{subject} are not supported yet"))),
        false => Ok(()),
    }
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

fn mount_label(linux: &Linux) -> Result<(), Invalid> {
    refuse(!linux.mount_label.is_empty(), "/linux/mountLabel", "SELinux labels")
}
