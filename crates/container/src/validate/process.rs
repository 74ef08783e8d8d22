//! `process` (config.md, "Process"). Pointers start at the process object.

use coble_spec::{Capabilities, Process, Rlimit, User};

use super::Invalid;
use super::text::{self, quoted};
use crate::processors::Processors;
use crate::scheduler::{io_priority_step, scheduler_step};
use crate::{capability, rlimit};

/// NGROUPS_MAX of `linux/limits.h`: setgroups(2) takes no more.
const MAX_GROUPS: usize = 65_536;

pub(super) fn check(process: &Process) -> Result<(), Invalid> {
    cwd(&process.cwd)?;
    if process.args.is_empty() {
        return Err(Invalid::at("/args", "args must not be empty"));
    }
    environment(&process.env)?;
    user(&process.user)?;
    process.capabilities.as_ref().map_or(Ok(()), capabilities)?;
    rlimits(&process.rlimits)?;
    scheduling(process)?;
    Processors::of(process.exec_cpu_affinity.as_ref()).map_err(|(member, reason)| {
        Invalid::at(format!("/execCPUAffinity/{member}"), text::one_line(&reason))
    })?;
    match process.oom_score_adj {
        Some(score) if !(-1000..=1000).contains(&score) => {
            let reason = format!("{score} is not between -1000 and 1000");
            Err(Invalid::at("/oomScoreAdj", reason))
        }
        _ => Ok(()),
    }
}

fn scheduling(process: &Process) -> Result<(), Invalid> {
    let at = |pointer: &'static str| {
        move |error: crate::Error| Invalid::at(pointer, text::one_line(&error.to_string()))
    };
    if let Some(scheduler) = &process.scheduler {
        scheduler_step(scheduler).map_err(at("/scheduler"))?;
    }
    if let Some(priority) = &process.io_priority {
        io_priority_step(priority).map_err(at("/ioPriority"))?;
    }
    Ok(())
}

fn cwd(cwd: &str) -> Result<(), Invalid> {
    match cwd {
        "" => Err(Invalid::at("/cwd", "Cwd property must not be empty")),
        _ if !cwd.starts_with('/') => Err(Invalid::at("/cwd", "Cwd must be an absolute path")),
        _ => Ok(()),
    }
}

/// Each variable is `NAME=value`. The message repeats none: they often hold secrets.
pub(super) fn environment(variables: &[String]) -> Result<(), Invalid> {
    for (index, variable) in variables.iter().enumerate() {
        let reason = match variable.find('=') {
            None => "invalid environment variable: missing '='",
            Some(0) => "invalid environment variable: name cannot be empty",
            Some(_) => continue,
        };
        return Err(Invalid::at(format!("/env/{index}"), reason));
    }
    Ok(())
}

fn user(user: &User) -> Result<(), Invalid> {
    identity(user.uid, || "/user/uid".to_owned())?;
    identity(user.gid, || "/user/gid".to_owned())?;
    let groups = &user.additional_gids;
    if groups.len() > MAX_GROUPS {
        let reason = format!("{} groups, at most {MAX_GROUPS} are possible", groups.len());
        return Err(Invalid::at("/user/additionalGids", reason));
    }
    for (index, gid) in groups.iter().enumerate() {
        identity(*gid, || format!("/user/additionalGids/{index}"))?;
    }
    match user.umask {
        Some(umask) if umask > 0o777 => {
            let reason = format!("{umask} (octal {umask:o}) is greater than octal 777");
            Err(Invalid::at("/user/umask", reason))
        }
        _ => Ok(()),
    }
}

/// The kernel reads the greatest number as "no change" (setresuid(2), chown(2)).
pub(super) fn identity(id: u32, pointer: impl FnOnce() -> String) -> Result<(), Invalid> {
    match id {
        u32::MAX => {
            Err(Invalid::at(pointer(), format!("{id} is not the number of a user or group")))
        }
        _ => Ok(()),
    }
}

/// The relations without which capset(2) fails. An ambient capability that can't be raised is no error,
/// see [`capability::Sets::raisable_ambient`].
fn capabilities(lists: &Capabilities) -> Result<(), Invalid> {
    let sets = capability::Sets::of(lists).map_err(|(list, unknown)| {
        let pointer = format!("/capabilities/{list}/{}", unknown.index);
        Invalid::at(pointer, format!("unknown capability {}", quoted(&unknown.name)))
    })?;
    within("effective", sets.effective, "permitted", sets.permitted)?;
    within("inheritable", sets.inheritable, "bounding", sets.bounding)
}

fn within(name: &str, set: u64, outer_name: &str, outer: u64) -> Result<(), Invalid> {
    match capability::first(set & !outer) {
        None => Ok(()),
        Some(capability) => {
            let reason = format!("{capability} is not in the {outer_name} set");
            Err(Invalid::at(format!("/capabilities/{name}"), reason))
        }
    }
}

fn rlimits(limits: &[Rlimit]) -> Result<(), Invalid> {
    let mut seen = 0_u32;
    for (index, limit) in limits.iter().enumerate() {
        let invalid = |member, reason| Invalid::at(format!("/rlimits/{index}/{member}"), reason);
        let Some(number) = rlimit::number(&limit.kind) else {
            return Err(invalid("type", format!("unknown resource limit {}", quoted(&limit.kind))));
        };
        if seen & 1 << number != 0 {
            return Err(invalid("type", format!("{} stands there twice", limit.kind)));
        }
        if limit.soft > limit.hard {
            let (soft, hard) = (limit.soft, limit.hard);
            return Err(invalid("soft", format!("{soft} is greater than the hard limit, {hard}")));
        }
        seen |= 1 << number;
    }
    Ok(())
}
