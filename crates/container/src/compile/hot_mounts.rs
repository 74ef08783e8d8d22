//! Plans for the mounts of a container that is there already.

use coble_plan::{Plan, Step};
use coble_spec::{Mount, Namespace, NamespaceKind};

use super::cgroup_wait::CgroupWait;
use super::mounts::{later_read_only, mounts};
use super::text::{c_string, clean};
use super::{Job, Namespaces, clone_flag};
use crate::error::Result;

/// The way into a container's namespaces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entrance<'a> {
    /// Number of a pidfd of the container's first process.
    pub(crate) pidfd: i32,
    /// Those that the container has.
    pub(crate) namespaces: &'a [Namespace],
}

impl Entrance<'_> {
    /// Into all but the pid namespace, where the container's processes would see the executor. It belongs to a file system
    /// that is new (mqueue to that of ipc), and to the rights on it.
    fn enter(&self, plan: &mut Plan) {
        let kinds = self.namespaces.iter().map(|own| own.kind);
        let kinds =
            kinds.filter(|kind| *kind != NamespaceKind::Pid && *kind != NamespaceKind::Time);
        let kinds = kinds.fold(0, |kinds, kind| kinds | clone_flag(kind));
        plan.push(Step::JoinProcess { pidfd: self.pidfd, kinds }, "");
        if self.namespaces.iter().any(|own| own.kind == NamespaceKind::User) {
            plan.push(Step::BecomeRoot {}, "");
        }
        plan.push(Step::UseCurrentRoot {}, "");
    }
}

/// Makes the mounts of the job's configuration in a container.
pub(crate) fn add_mounts(job: &Job<'_>, entrance: &Entrance<'_>) -> Result<Plan> {
    let mut plan = Plan::default();
    entrance.enter(&mut plan);
    mounts(job, &Namespaces::default(), &mut CgroupWait::default(), &mut plan)?;
    later_read_only(job, &mut plan)?;
    plan.push(Step::Finish {}, "");
    Ok(plan)
}

/// Removes mounts by their destinations, the last one first.
pub(crate) fn remove_mounts(mounts: &[Mount], entrance: &Entrance<'_>) -> Result<Plan> {
    let mut plan = Plan::default();
    entrance.enter(&mut plan);
    for (index, mount) in mounts.iter().enumerate().rev() {
        let path = c_string(clean(&mount.destination))?;
        plan.push(Step::Unmount { path: &path }, format!("/mounts/{index}/destination"));
    }
    plan.push(Step::Finish {}, "");
    Ok(plan)
}

/// Whether a mount is there once the step is done.
pub(crate) fn makes_mount(step: &Step<'_>) -> bool {
    matches!(step, Step::MountBind { .. } | Step::MountFs { .. })
}

#[cfg(test)]
mod tests {
    use coble_plan::verify;

    use super::*;

    #[test]
    fn what_came_last_goes_first_and_the_pid_namespace_is_left_alone() {
        let namespaces = [NamespaceKind::Pid, NamespaceKind::Mount, NamespaceKind::User]
            .map(|kind| Namespace { kind, path: String::new() });
        let entrance = Entrance { pidfd: 7, namespaces: &namespaces };
        let mounts = ["/a", "b/"]
            .map(|destination| Mount { destination: destination.to_owned(), ..Mount::default() });
        let plan = remove_mounts(&mounts, &entrance).unwrap();
        assert_eq!(verify(&plan), Ok(()));
        let steps: Vec<String> =
            plan.iter().map(|(step, origin)| format!("{step} [{origin}]")).collect();
        assert_eq!(
            steps[1..],
            [
                "become user 0 of the user namespace []",
                "take the container's root as the root []",
                "unmount /b with all below [/mounts/1/destination]",
                "unmount /a with all below [/mounts/0/destination]",
                "say that all is done []",
            ]
        );
        assert_eq!(steps[0], "join the container's user, mount namespaces []");
    }
}
