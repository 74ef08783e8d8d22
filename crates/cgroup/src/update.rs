//! Changes limits while processes run.

use coble_spec::{Device, Resources};

use crate::limits::{self, Journal};
use crate::{Cgroup, Error, devices};

impl Cgroup {
    /// Changes the limits that `resources` names and leaves the others as they are. The files themselves are what
    /// counts: a period without a quota goes with the quota that is in force, a limit of swap with the limit of memory
    /// that is.
    ///
    /// Device rules are replaced, with those that every container has, if `devices` is given: `linux.devices`, as for
    /// [`Cgroup::apply`]. Otherwise they stay, whatever `resources` says.
    ///
    /// # Errors
    /// As [`Cgroup::apply`]. Then everything is as it was before; [`Error::HalfDone`] names the files for which that
    /// isn't so.
    pub fn update(&self, resources: &Resources, devices: Option<&[Device]>) -> Result<(), Error> {
        let mut journal = Journal::kept();
        let resources = &self.in_whole_percents(resources);
        let properties = self.changed_properties(resources, devices)?;
        let limited = limits::apply(self, resources, &mut journal);
        let rules = |devices| devices::apply(self, resources, devices);
        // systemd is told last: it can't take back what it was told.
        let ruled = limited.and_then(|()| devices.map_or(Ok(()), rules));
        let Err(error) = ruled.and_then(|()| self.set_properties(properties)) else {
            return Ok(());
        };
        let files = journal.undo();
        if files.is_empty() {
            return Err(error);
        }
        Err(Error::HalfDone { cause: Box::new(error), files })
    }
}
