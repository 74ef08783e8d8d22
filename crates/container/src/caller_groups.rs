//! The further groups of the caller, where a user namespace is joined.
//!
//! A namespace that denies setgroups(2) denies it for ever, and whoever has made it may look into its processes: a group that
//! is brought along would be its owner's to use.

use coble_plan::Step;
use coble_sys::rustix::thread::CapabilitySet;

use crate::error::Result;
use crate::facts::{Facts, effective, is_initial_user_namespace};
use crate::state::Setgroups;

/// What the caller's user namespace lets it do to its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallerGroups {
    /// Without this right they are the caller's for ever, whatever it runs.
    pub(crate) may_be_set: bool,
    /// Whether the namespace itself may deny it, which the first one never does.
    pub(crate) may_be_denied: bool,
}

impl CallerGroups {
    pub(crate) fn of(facts: &Facts) -> Self {
        Self { may_be_set: facts.sets_groups, may_be_denied: !facts.is_initial_user_namespace }
    }

    /// Those of this process.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub(crate) fn look() -> Result<Self> {
        Ok(Self {
            may_be_set: effective()?.contains(CapabilitySet::SETGID),
            may_be_denied: !is_initial_user_namespace()?,
        })
    }

    /// What drops them before a user namespace is joined that says this of setgroups(2). Where it is allowed for sure they are
    /// replaced later on.
    pub(crate) fn drop_step(self, namespace: Setgroups) -> Option<Step<'static>> {
        let may_be_denied = u32::from(self.may_be_denied);
        (namespace.may_be_denied() && self.may_be_set).then_some(Step::DropGroups { may_be_denied })
    }
}
