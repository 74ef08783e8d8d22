//! The process turns into the program.

use std::collections::HashSet;

use coble_plan::{ListBuf, Plan, Step};
use coble_spec::{NamespaceKind, Personality, Process, Spec};

use super::text::{c_string, clean};
use super::{Job, Namespaces};
use crate::capability::Sets;
use crate::error::{Error, Result};
use crate::filter::{self, Delivery, kept_capabilities};
use crate::id_map::denies_groups;
use crate::memory_policy::policy_step;
use crate::rlimit;
use crate::selinux::refuse_inactive;
use crate::state::Setgroups;

/// umask(2) of a process that has none in its configuration.
pub(super) const DEFAULT_UMASK: u32 = 0o022;

/// Where a program is searched for whose environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a process becomes, and how the plan ends.
pub(crate) struct Assumption<'a> {
    pub(crate) process: &'a Process,
    /// JSON pointer of the process; empty if it has a file of its own.
    pub(crate) origin: &'a str,
    pub(crate) setgroups: Setgroups,
    /// Further variables of its environment.
    pub(crate) environment: &'a [String],
    /// What it runs under, and where that stands.
    pub(crate) filter: Option<(Delivery<'a>, &'a str)>,
}

fn configured<'a>(job: &Job<'a>) -> Option<&'a Process> {
    job.spec.process.as_ref()
}

pub(super) fn oom_score_adj(job: &Job<'_>, plan: &mut Plan) {
    if let Some(value) = configured(job).and_then(|process| process.oom_score_adj) {
        plan.push(Step::OomScoreAdj { value }, "/process/oomScoreAdj");
    }
}

/// The terminal is mounted on `/dev/console`, unless the mount would be the host's.
pub(super) fn console(job: &Job<'_>, namespaces: &Namespaces, plan: &mut Plan) {
    if let Some(process) = configured(job).filter(|process| process.terminal) {
        let mount = namespaces.has(NamespaceKind::Mount);
        plan.push(console_step(process, mount), "/process/terminal");
    }
}

pub(crate) fn console_step(process: &Process, mount: bool) -> Step<'static> {
    let size = process.console_size.unwrap_or_default();
    Step::Console { height: size.height.into(), width: size.width.into(), mount: u32::from(mount) }
}

/// The working directory is made while the root can still be written to.
pub(super) fn make_directory(job: &Job<'_>, plan: &mut Plan) -> Result<()> {
    let Some(process) = configured(job) else { return Ok(()) };
    let path = clean(&process.cwd);
    if path != "/" {
        plan.push(Step::MakeDirectory { path: &c_string(path)? }, "/process/cwd");
    }
    Ok(())
}

pub(super) fn labels(job: &Job<'_>, plan: &mut Plan) -> Result<()> {
    configured(job)
        .map_or(Ok(()), |process| label_steps(process, "/process", job.facts.has_selinux, plan))
}

/// The labels of security modules that the program gets at its exec.
pub(crate) fn label_steps(
    process: &Process,
    origin: &str,
    has_selinux: bool,
    plan: &mut Plan,
) -> Result<()> {
    if !process.apparmor_profile.is_empty() {
        let label = c_string(format!("exec {}", process.apparmor_profile))?;
        plan.push(Step::AppArmor { label: &label }, format!("{origin}/apparmorProfile"));
    }
    if !process.selinux_label.is_empty() {
        let document = if origin.is_empty() { "process" } else { "config.json" };
        let origin = format!("{origin}/selinuxLabel");
        refuse_inactive(has_selinux, document, &origin)?;
        let label = c_string(process.selinux_label.as_str())?;
        plan.push(Step::SelinuxLabel { label: &label }, origin);
    }
    Ok(())
}

/// Processes of a context find only keys that their policy lets them find: a session keyring gets the context of the
/// program that it is for.
pub(crate) fn key_label_step(process: &Process, origin: &str, plan: &mut Plan) -> Result<()> {
    if !process.selinux_label.is_empty() {
        let label = c_string(process.selinux_label.as_str())?;
        plan.push(Step::SelinuxKeyLabel { label: &label }, format!("{origin}/selinuxLabel"));
    }
    Ok(())
}

pub(super) fn assume(
    job: &Job<'_>,
    namespaces: &Namespaces,
    filter: Option<Delivery<'_>>,
    plan: &mut Plan,
) -> Result<()> {
    let process = configured(job).ok_or_else(|| {
        Error::config("/process", "config.json: process property must not be empty")
    })?;
    let linux = job.spec.linux.as_ref();
    personality_step(linux.and_then(|linux| linux.personality.as_ref()), plan);
    policy_step(linux.and_then(|linux| linux.memory_policy.as_ref()), plan)?;
    let assumption = Assumption {
        process,
        origin: "/process",
        setgroups: setgroups(job, namespaces),
        environment: &job.options.environment,
        filter: filter.map(|filter| (filter, filter::POINTER)),
    };
    assume_process(&assumption, plan, |plan| super::run(job, plan))
}

/// personality(2): PER_LINUX32 is 8.
pub(crate) fn personality_step(personality: Option<&Personality>, plan: &mut Plan) {
    if let Some(personality) = personality {
        let persona = if personality.domain == "LINUX32" { 8 } else { 0 };
        plan.push(Step::Personality { persona }, "/linux/personality");
    }
}

/// The annotation with which the caller's groups stay; `0` says that they don't (crun(1)).
pub(crate) const KEEP_GROUPS: &str = "run.oci.keep_original_groups";

/// `additionalGids`, which engines fill from the image, have no place then.
fn keeps_groups(spec: &Spec) -> bool {
    spec.annotations.get(KEEP_GROUPS).is_some_and(|value| value != "0")
}

/// What setgroups(2) will do. A user namespace that is made in one where it is denied has it denied too.
pub(super) fn setgroups(job: &Job<'_>, namespaces: &Namespaces) -> Setgroups {
    let is_denied = job.spec.linux.as_ref().is_some_and(|linux| denies_groups(linux, job.facts));
    if keeps_groups(job.spec) {
        Setgroups::Kept
    } else if namespaces.joins(NamespaceKind::User) {
        Setgroups::Unknown
    } else if namespaces.makes(NamespaceKind::User) && is_denied {
        Setgroups::Denied
    } else if !job.facts.is_initial_user_namespace {
        Setgroups::Unknown
    } else {
        Setgroups::Allowed
    }
}

/// Adds the steps from the process's limits to its exec; `last` adds what stands right before the exec.
pub(crate) fn assume_process(
    assumption: &Assumption<'_>,
    plan: &mut Plan,
    last: impl FnOnce(&mut Plan) -> Result<()>,
) -> Result<()> {
    let Assumption { process, origin, .. } = assumption;
    scheduling(process, origin, plan)?;
    for (index, limit) in process.rlimits.iter().enumerate() {
        let resource = rlimit::number(&limit.kind).ok_or_else(|| {
            let pointer = format!("{origin}/rlimits/{index}/type");
            let words = format!("{pointer}: unknown");
            Error::config(pointer, words)
        })?;
        let step = Step::Rlimit { resource, soft: limit.soft, hard: limit.hard };
        plan.push(step, format!("{origin}/rlimits/{index}"));
    }
    let sets = capabilities(process, origin)?;
    let member = if process.capabilities.is_some() { "/bounding" } else { "" };
    plan.push(Step::Bound { keep: sets.bounding }, format!("{origin}/capabilities{member}"));
    let directory = c_string(clean(&process.cwd))?;
    plan.push(Step::ChangeDirectory { path: &directory }, format!("{origin}/cwd"));
    user(assumption, plan)?;
    let kept = kept_capabilities(process, assumption.filter.is_some());
    let step = Step::SetCapabilities {
        effective: sets.effective | kept,
        permitted: sets.permitted | kept,
        inheritable: sets.inheritable,
        ambient: sets.raisable_ambient(),
    };
    plan.push(step, format!("{origin}/capabilities"));
    let umask_origin = process.user.umask.map_or(String::new(), |_| format!("{origin}/user/umask"));
    plan.push(Step::Umask { mask: umask(process) }, umask_origin);
    plan.push(Step::ConfirmDirectory { path: &directory }, format!("{origin}/cwd"));
    program(assumption, plan, last)
}

pub(super) fn umask(process: &Process) -> u32 {
    process.user.umask.unwrap_or(DEFAULT_UMASK)
}

fn scheduling(process: &Process, origin: &str, plan: &mut Plan) -> Result<()> {
    if let Some(scheduler) = &process.scheduler {
        let step = crate::scheduler::scheduler_step(scheduler)
            .map_err(|error| error.within(&format!("{origin}/scheduler")))?;
        plan.push(step, format!("{origin}/scheduler"));
    }
    if let Some(priority) = &process.io_priority {
        let step = crate::scheduler::io_priority_step(priority)
            .map_err(|error| error.within(&format!("{origin}/ioPriority")))?;
        plan.push(step, format!("{origin}/ioPriority"));
    }
    Ok(())
}

/// Without `capabilities` the process gets none.
fn capabilities(process: &Process, origin: &str) -> Result<Sets> {
    let Some(lists) = &process.capabilities else { return Ok(Sets::default()) };
    Sets::of(lists).map_err(|(set, unknown)| {
        let pointer = format!("{origin}/capabilities/{set}/{}", unknown.index);
        let words = format!("{pointer}: {unknown}");
        Error::config(pointer, words)
    })
}

fn user(assumption: &Assumption<'_>, plan: &mut Plan) -> Result<()> {
    let user = &assumption.process.user;
    if assumption.setgroups == Setgroups::Denied && !user.additional_gids.is_empty() {
        let pointer = format!("{}/user/additionalGids", assumption.origin);
        // The words of runc.
        let words = "cannot set any additional groups in a rootless container";
        return Err(Error::config(&pointer, format!("{pointer}: {words}")));
    }
    let terminal = u32::from(assumption.process.terminal);
    plan.push(Step::OwnStreams { uid: user.uid, terminal }, "");
    let groups: ListBuf = user.additional_gids.iter().map(ToString::to_string).collect();
    let step = Step::SetUser {
        uid: user.uid,
        gid: user.gid,
        groups: groups.as_list(),
        setgroups: match assumption.setgroups {
            Setgroups::Denied => 0,
            Setgroups::Allowed => 1,
            Setgroups::Unknown => 2,
            Setgroups::Kept => 3,
        },
    };
    plan.push(step, format!("{}/user", assumption.origin));
    Ok(())
}

fn program(
    assumption: &Assumption<'_>,
    plan: &mut Plan,
    last: impl FnOnce(&mut Plan) -> Result<()>,
) -> Result<()> {
    let Assumption { process, origin, .. } = assumption;
    let environment = Environment::of(process, assumption.environment);
    if environment.finds_home {
        plan.push(Step::FindHome { uid: process.user.uid }, "");
    }
    if process.no_new_privileges {
        plan.push(Step::NoNewPrivileges {}, format!("{origin}/noNewPrivileges"));
    }
    let name = process.args.first().ok_or_else(|| Error::new("args must not be empty"))?;
    let name = c_string(name.as_str())?;
    let path = c_string(value(&process.env, "PATH").unwrap_or(DEFAULT_PATH))?;
    plan.push(Step::FindProgram { name: &name, path: &path }, format!("{origin}/args/0"));
    last(plan)?;
    if let Some((filter, origin)) = assumption.filter {
        filter.step(origin, plan);
    }
    let args: ListBuf = process.args.iter().collect();
    let env: ListBuf = environment.entries.iter().collect();
    plan.push(Step::Exec { args: args.as_list(), env: env.as_list() }, format!("{origin}/args"));
    Ok(())
}

/// What a program finds in its environment.
#[derive(Default)]
pub(super) struct Environment<'a> {
    pub(super) entries: Vec<&'a String>,
    /// Whether `HOME` is looked up and added.
    pub(super) finds_home: bool,
}

impl<'a> Environment<'a> {
    pub(super) fn of(process: &'a Process, further: &'a [String]) -> Self {
        let finds_home = value(&process.env, "HOME").is_none_or(str::is_empty);
        let kept = process.env.iter().filter(|entry| !finds_home || !entry.starts_with("HOME="));
        Self { entries: last_of_each(kept.chain(further)), finds_home }
    }
}

fn value<'a>(entries: &'a [String], name: &str) -> Option<&'a str> {
    entries.iter().rev().find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
}

/// Of entries with the same name the last, at its place: getenv(3) would find the first.
fn last_of_each<'a>(entries: impl DoubleEndedIterator<Item = &'a String>) -> Vec<&'a String> {
    let mut names = HashSet::new();
    let name = |entry: &'a String| entry.split_once('=').map_or(entry.as_str(), |(name, _)| name);
    let mut last: Vec<_> = entries.rev().filter(|entry| names.insert(name(entry))).collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use super::last_of_each;

    #[test]
    fn a_variable_that_is_said_again_is_replaced() {
        let entries = ["A=1", "PATH=/bin", "A=", "B=1", "FLAG", "B=2", "FLAG"].map(str::to_owned);
        assert_eq!(last_of_each(entries.iter()), ["PATH=/bin", "A=", "B=2", "FLAG"]);
    }
}
