//! What is done for an exec'ed process from outside, before its executor goes on.

use coble_cgroup::Cgroup;
use coble_spec::{NamespaceKind, Process};

use super::cgroup::{Started, enter};
use crate::error::Result;
use crate::executor::Executor;
use crate::loan::Loan;
use crate::resctrl::Group;
use crate::state::Record;

/// The executor waits at it, if there is anything to do.
pub(super) struct Gate<'a> {
    cgroup: &'a Cgroup,
    group: Option<&'a Group>,
    loan: Loan,
}

impl<'a> Gate<'a> {
    pub(super) fn of(record: &'a Record, process: &Process, cgroup: &'a Cgroup) -> Self {
        // The score is set before it joins the namespace.
        let loan =
            if record.has(NamespaceKind::User) { Loan::of(process) } else { Loan::default() };
        Self { cgroup, group: record.intel_rdt.as_ref(), loan }
    }

    /// Whether a process that is started there has to wait.
    pub(super) fn is_needed(&self, started: Started) -> bool {
        self.cgroup.needs_enter()
            || self.loan.raises()
            || self.group.is_some()
            || started == Started::Outside
    }

    /// Does what there is to do, and lets the executor go on.
    ///
    /// # Errors
    /// It can't be put into a cgroup, or the resctrl class.
    pub(super) fn pass(&self, executor: &Executor, started: Started) -> Result<()> {
        if started == Started::Outside {
            self.cgroup.attach(executor.pid)?;
        }
        if self.cgroup.needs_enter() {
            enter(self.cgroup, executor.pid)?;
        }
        self.group.map_or(Ok(()), |group| group.join(executor.pid))?;
        if self.loan.raises() {
            self.loan.give(executor.pid);
        }
        if self.is_needed(started) { executor.answer() } else { Ok(()) }
    }
}
