//! `config.json` to a plan. Pure: it makes no system call and knows the host by [`Facts`] alone.

mod cgroup;
mod cgroup_wait;
mod devices;
mod hooks;
mod hot_mounts;
mod mounts;
mod namespaces;
mod proc_mounts;
mod process;
mod text;

use std::path::{Path, PathBuf};

use coble_cgroup::ContainerMount;
use coble_plan::{Plan, Step};
use coble_spec::{Hook, Spec};

use crate::delegation::{self, refuse_without_cgroup2};
use crate::error::Result;
use crate::facts::Facts;
use crate::filter::Delivery;
use crate::observe::{Observe, Watched};
use crate::selinux::{MountLabel, refuse_inactive};
use crate::state::{Setgroups, Status};
use cgroup_wait::CgroupWait;
pub(crate) use hot_mounts::{Entrance, add_mounts, makes_mount, remove_mounts};
pub(crate) use namespaces::{Namespaces, clone_flag, keyring_name, listed};
use process::Environment;
pub(crate) use process::{
    Assumption, KEEP_GROUPS, assume_process, console_step, key_label_step, label_steps,
    personality_step,
};
pub(crate) use text::{c_string, clean};

/// What is to be compiled, and what else the plan depends on.
pub(crate) struct Job<'a> {
    pub(crate) spec: &'a Spec,
    /// What its programs run under.
    pub(crate) filter: Option<Delivery<'a>>,
    pub(crate) id: &'a str,
    /// Absolute.
    pub(crate) bundle: &'a Path,
    /// Absolute, without symbolic links.
    pub(crate) rootfs: &'a Path,
    pub(crate) facts: &'a Facts,
    /// What its `/sys/fs/cgroup` consists of with cgroup v1; empty with v2 alone.
    pub(crate) legacy: &'a [ContainerMount],
    /// For each mount the descriptor of its source, if the parent has opened it.
    pub(crate) sources: &'a [Option<i32>],
    /// The descriptors of what hooks write to, standard output's first; -1 for none.
    pub(crate) hook_output: [i32; 2],
    /// The cgroup v2 directory of the container.
    pub(crate) unified: Option<&'a str>,
    pub(crate) options: Options,
}

/// What the command line decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Move the root instead of pivot_root(2).
    pub no_pivot: bool,
    /// Stay in the caller's session keyring.
    pub no_new_keyring: bool,
    /// Descriptors from 3 on that the program gets.
    pub preserve_fds: u32,
    /// Further variables of the environment, for descriptors that are handed on.
    pub environment: Vec<String>,
    /// The last mount is coble's own and not the configuration's.
    pub adds_mount: bool,
    /// Systemd makes the cgroup while the plan runs.
    pub awaits_cgroup: bool,
    /// Wait for `start` before the program runs.
    pub await_start: bool,
    /// Mounts of the host that would stay visible without pivot_root(2).
    pub host_mounts: Vec<PathBuf>,
    /// What is to be found out about the program's system calls.
    pub observe: Observe,
    /// Sources are those that the parent has opened: the executor can't see the host's files.
    pub only_held: bool,
    /// A helper connects the network namespace with the host's network, and would carry packets to the host's loopback
    /// addresses as well.
    pub leads_outside: bool,
    /// Whether a cgroup that can't be made for want of rights is done without; `None`: the caller's rights say so.
    pub rootless: Option<bool>,
}

/// A plan and what the parent does around it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Launch {
    pub(crate) namespaces: Namespaces,
    pub(crate) plan: Plan,
    pub(crate) no_new_keyring: bool,
    pub(crate) setgroups: Setgroups,
    pub(crate) preserve_fds: u32,
    /// What the program's calls are looked at with, where they are.
    pub(crate) watched: Option<Watched>,
}

/// THE ORDER in which a container is made.
pub(crate) fn compile(job: &Job<'_>) -> Result<Launch> {
    refuse_what_the_host_lacks(job)?;
    let namespaces = Namespaces::of(job)?;
    let watched = job.options.observe.watch(job.spec)?;
    let mut plan = Plan::default();
    let plan_ref = &mut plan;

    // The caller may be bound to some, as a thread of a manager of containers is.
    plan_ref.push(Step::Processors { mask: &[] }, "");
    // While the host's /proc is writable for us and before rights are lost in other namespaces.
    process::oom_score_adj(job, plan_ref);
    // From its end on the process is in its cgroup.
    let mut wait = CgroupWait::begin(job, &namespaces, plan_ref);
    // Namespaces that clone3(2) did not make; the rest of the plan runs in all of them.
    namespaces::join(job, &namespaces, plan_ref)?;
    namespaces::isolate(job, &namespaces, &wait, plan_ref)?;
    // No mount of ours may reach the host; then the root is there to mount below it.
    mounts::open_root(job, &namespaces, plan_ref)?;
    // In the order of the configuration: later ones may lie below earlier ones.
    mounts::mounts(job, &namespaces, &mut wait, plan_ref)?;
    // /dev is mounted by now; nodes and links go into it.
    devices::devices(job, &namespaces, plan_ref)?;
    process::console(job, &namespaces, plan_ref);
    process::make_directory(job, plan_ref)?;
    wait.end(&namespaces, plan_ref);
    // Hooks may still change the root file system, as those of GPU vendors do.
    hooks::before_pivot(job, plan_ref)?;
    // Kernel parameters and names belong to the namespaces, and need the host's /proc.
    namespaces::names(job, plan_ref)?;
    // What is closed is closed after all that needs it open.
    mounts::restrict(job, plan_ref)?;
    process::labels(job, plan_ref)?;
    mounts::change_root(job, &namespaces, plan_ref)?;
    // From here on the process turns into the program, rights last.
    let loaded = watched.as_ref().map(|watched| Delivery::Planned(&watched.filter)).or(job.filter);
    process::assume(job, &namespaces, loaded, plan_ref)?;
    let setgroups = process::setgroups(job, &namespaces);
    Ok(Launch {
        namespaces,
        plan,
        no_new_keyring: job.options.no_new_keyring,
        setgroups,
        preserve_fds: job.options.preserve_fds,
        watched,
    })
}

/// Refuses what no step could carry out here.
fn refuse_what_the_host_lacks(job: &Job<'_>) -> Result<()> {
    if MountLabel::of(job.spec).is_some() {
        refuse_inactive(job.facts.has_selinux, "config.json", MountLabel::POINTER)?;
    }
    match delegation::path(&job.spec.annotations) {
        Some(_) => refuse_without_cgroup2(job.facts, job.unified),
        None => Ok(()),
    }
}

/// Adds the last steps of every plan: the wait for `start`, the hooks after it, the program.
fn run(job: &Job<'_>, plan: &mut Plan) -> Result<()> {
    if job.options.await_start {
        plan.push(Step::AwaitStart {}, "");
    }
    let hooks: &[Hook] = job.spec.hooks.as_ref().map_or(&[], |hooks| &hooks.start_container);
    // They are the program's forerunners, and find what it finds.
    let process = job.spec.process.as_ref();
    let environment = process.map(|process| Environment::of(process, &[])).unwrap_or_default();
    let start_container = hooks::Kind {
        name: "startContainer",
        status: Status::Created,
        environment: &environment,
        umask: process.map_or(process::DEFAULT_UMASK, process::umask),
    };
    hooks::run_here(job, hooks, &start_container, plan)
}

#[cfg(test)]
mod tests;
