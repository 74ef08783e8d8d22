//! When a process is in its cgroup that systemd makes around it: as late as can be, since systemd takes its time and the
//! namespaces and mounts needn't wait for it. Nothing that others can get at comes before.

use std::path::Path;

use coble_plan::{Plan, Step};
use coble_spec::{Mount, NamespaceKind};

use super::namespaces::made_by_step;
use super::{Job, Namespaces};
use crate::delegation;
use crate::mount_options::MountOptions;

/// Where a path leads to cgroups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// A wait that the plan doesn't have yet.
#[derive(Debug, Default)]
pub(super) struct CgroupWait {
    is_due: bool,
}

impl CgroupWait {
    /// At the start of a plan. The process waits at once where others can get at it in a namespace that it joins, or
    /// where it goes on in a child, which systemd wouldn't move.
    pub(super) fn begin(job: &Job<'_>, namespaces: &Namespaces, plan: &mut Plan) -> Self {
        let mut wait = Self { is_due: job.options.awaits_cgroup };
        let shared = [NamespaceKind::User, NamespaceKind::Pid, NamespaceKind::Mount];
        let is_shared = shared.into_iter().any(|kind| namespaces.joins(kind));
        if is_shared || delegation::path(&job.spec.annotations).is_some() {
            wait.push(plan);
        }
        wait
    }

    /// Whether the cgroup namespace, if there is a new one, comes with the end of the wait.
    pub(super) fn brings_namespace(&self) -> bool {
        self.is_due
    }

    /// Before a mount that shows the cgroup, or fills memory that the cgroup is to account for.
    pub(super) fn end_before(
        &mut self,
        mount: &Mount,
        source: &Path,
        options: &MountOptions,
        namespaces: &Namespaces,
        plan: &mut Plan,
    ) {
        let is_cgroup = matches!(mount.kind.as_str(), "cgroup" | "cgroup2");
        if is_cgroup || options.copy_up || source.starts_with(CGROUPS) {
            self.end(namespaces, plan);
        }
    }

    /// Before all else that depends on the cgroup, or on its limits.
    pub(super) fn end(&mut self, namespaces: &Namespaces, plan: &mut Plan) {
        if !self.is_due {
            return;
        }
        self.push(plan);
        made_by_step(namespaces, |kind| kind == NamespaceKind::Cgroup, plan);
    }

    fn push(&mut self, plan: &mut Plan) {
        if std::mem::take(&mut self.is_due) {
            plan.push(Step::AwaitCgroup {}, "");
        }
    }
}
