//! Puts limits and device rules into force.

use coble_spec::{Device, Resources};

use crate::limits::{self, Journal};
use crate::{Cgroup, Error, cpuset, devices};

/// What [`Cgroup::apply`] could do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// All of it.
    All,
    /// All but the device rules, for want of rights, which was allowed.
    WithoutDeviceRules,
}

impl Cgroup {
    /// Puts `linux.resources` into force, and the device rules that every container has. To be called once
    /// after [`Cgroup::create`] and before a process enters, even with no resources at all. [`Cgroup::update`]
    /// changes them later.
    ///
    /// `devices` are `linux.devices`: one that takes the path of a default device takes its rule away. With
    /// `rootless` the device rules may be left out if the rights to set them are missing; the user
    /// namespace that the container then has keeps it from making devices.
    ///
    /// # Errors
    /// [`Error::Value`] for a value that can't be meant; [`Error::NoController`] for a limit that nothing
    /// here can enforce; [`Error::Os`]; [`Error::Systemd`] or [`Error::Refused`].
    pub fn apply(
        &mut self,
        resources: &Resources,
        devices: &[Device],
        rootless: bool,
    ) -> Result<Applied, Error> {
        let applied = self.apply_all(resources, devices, rootless);
        // From now on there is something to be replaced.
        self.places.iter_mut().for_each(|place| place.is_fresh = false);
        applied
    }

    fn apply_all(
        &self,
        resources: &Resources,
        devices: &[Device],
        rootless: bool,
    ) -> Result<Applied, Error> {
        limits::apply(self, &self.in_whole_percents(resources), &mut Journal::default())?;
        self.correct_weights(resources)?;
        if let Some(place) = self.of("cpuset").filter(|place| place.is_fresh) {
            cpuset::fill(place)?;
        }
        match devices::apply(self, resources, devices) {
            Ok(()) => Ok(Applied::All),
            Err(error) if rootless && lacks_rights(&error) => Ok(Applied::WithoutDeviceRules),
            Err(error) => Err(error),
        }
    }
}

/// A hierarchy that could not be written to when the cgroup was made is missing later on.
fn lacks_rights(error: &Error) -> bool {
    error.is_permission() || matches!(error, Error::NoController { .. })
}
