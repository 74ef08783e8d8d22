//! Hooks that run inside the plan (runtime.md, "Lifecycle").

use coble_plan::{ListBuf, Plan, Step};
use coble_spec::Hook;

use super::Job;
use super::process::{DEFAULT_UMASK, Environment};
use super::text::c_string;
use crate::error::Result;
use crate::state::Status;
use crate::told_state::ToldState;

/// Hooks before the root is changed: the parent's, then the container's own. They find the network as the program
/// will.
pub(super) fn before_pivot(job: &Job<'_>, plan: &mut Plan) -> Result<()> {
    plan.push(Step::AwaitRecord {}, "");
    if job.spec.linux.as_ref().is_some_and(|linux| !linux.net_devices.is_empty()) {
        plan.push(Step::NetworkDevices {}, "/linux/netDevices");
    }
    let Some(hooks) = &job.spec.hooks else { return Ok(()) };
    if !hooks.prestart.is_empty() || !hooks.create_runtime.is_empty() {
        let origin =
            if hooks.prestart.is_empty() { "/hooks/createRuntime" } else { "/hooks/prestart" };
        plan.push(Step::RuntimeHooks {}, origin);
    }
    let create_container = Kind {
        name: "createContainer",
        status: Status::Creating,
        environment: &Environment::default(),
        umask: DEFAULT_UMASK,
    };
    run_here(job, &hooks.create_container, &create_container, plan)
}

/// What hooks of one kind have in common.
pub(super) struct Kind<'a> {
    /// Their name in the configuration.
    pub(super) name: &'a str,
    /// The container's status in the state that they get.
    pub(super) status: Status,
    /// The environment of those that have none of their own.
    pub(super) environment: &'a Environment<'a>,
    /// umask(2).
    pub(super) umask: u32,
}

/// Adds a step for each hook of one kind.
pub(super) fn run_here(
    job: &Job<'_>,
    hooks: &[Hook],
    kind: &Kind<'_>,
    plan: &mut Plan,
) -> Result<()> {
    for (index, hook) in hooks.iter().enumerate() {
        let path = c_string(hook.path.as_str())?;
        let args: ListBuf = arguments(hook).iter().collect();
        let own = Environment { entries: hook.env.iter().collect(), finds_home: false };
        let environment = if hook.env.is_empty() { kind.environment } else { &own };
        let env: ListBuf = environment.entries.iter().collect();
        let told = ToldState::of_spec(job.spec, job.id, job.bundle, kind.status);
        let (head, tail) = told.around_pid();
        let (head, tail) = (c_string(head)?, c_string(tail)?);
        let step = Step::Hook {
            path: &path,
            args: args.as_list(),
            env: env.as_list(),
            home: u32::from(environment.finds_home),
            umask: kind.umask,
            timeout: timeout(hook),
            stdout: job.hook_output[0],
            stderr: job.hook_output[1],
            state_head: &head,
            state_tail: &tail,
        };
        plan.push(step, format!("/hooks/{}/{index}", kind.name));
    }
    Ok(())
}

/// A hook without arguments gets its own path as the zeroth.
fn arguments(hook: &Hook) -> &[String] {
    if hook.args.is_empty() { std::slice::from_ref(&hook.path) } else { &hook.args }
}

/// Milliseconds; 0 for none.
fn timeout(hook: &Hook) -> u32 {
    let seconds = hook.timeout.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(0);
    seconds.saturating_mul(1000)
}
