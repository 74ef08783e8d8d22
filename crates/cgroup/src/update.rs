//! Changes limits while processes run.

use coble_spec::{Device, Resources};

use crate::error::DEVICE_RULES;
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
    /// As [`Cgroup::apply`]. Then everything is as it was before, device rules that others have added included;
    /// [`Error::HalfDone`] names the files for which that isn't so ([`Error::leaves_device_rules`]).
    pub fn update(&self, resources: &Resources, devices: Option<&[Device]>) -> Result<(), Error> {
        let mut journal = Journal::kept();
        let resources = &self.in_whole_percents(resources);
        let properties = self.changed_properties(resources, devices)?;
        let rules = || devices.map_or(Ok(()), |devices| devices::apply(self, resources, devices));
        let former = devices.map(|_| devices::Former::look(self)).transpose()?;
        let shares_rules = devices.is_some() && self.shares_device_rules();
        let held = shares_rules && self.hold_unheld()?;
        let mut done = limits::apply(self, resources, &mut journal)
            .and_then(|()| rules())
            // systemd is told last: it can't take back what it was told.
            .and_then(|()| self.set_properties(properties));
        let told = done.is_ok() && shares_rules;
        if told {
            done = self.await_systemd().and_then(|()| rules());
        }
        if held && done.is_ok() {
            done = self.thaw();
        }
        let Err(error) = done else { return Ok(()) };
        let mut files = journal.undo();
        let restored = former.map_or(Ok(()), |former| former.restore(self));
        if told || restored.is_err() {
            files.push(DEVICE_RULES.to_owned());
        }
        files.extend(self.unit_name().filter(|_| told).map(|name| format!("properties of {name}")));
        if held {
            // The first error is the one to tell.
            let _ = self.thaw();
        }
        match files.is_empty() {
            true => Err(error),
            false => Err(Error::HalfDone { cause: Box::new(error), files }),
        }
    }

    /// Whether systemd writes its device rules where ours are. With v1 there is one list for both: systemd empties it
    /// first, and what it then allows may be more. No process may see that, and what is exact comes last.
    fn shares_device_rules(&self) -> bool {
        self.is_systems_unit() && self.of("devices").is_some()
    }

    /// Holds the processes, unless they are held already or nothing can hold them. Whether it did.
    fn hold_unheld(&self) -> Result<bool, Error> {
        if self.freezer().is_none() || self.frozen()? {
            return Ok(false);
        }
        self.freeze().map(|()| true)
    }
}
