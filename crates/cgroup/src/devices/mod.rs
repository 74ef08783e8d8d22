//! Device rules: which device files the container's processes may open and make.

mod allowed;
mod attach;
mod exceptions;
mod policy;
mod program;
mod rule;
#[cfg(test)]
mod tests;

use coble_spec::{Device, Resources};

use crate::{Cgroup, Error};
use exceptions::Exceptions;
use policy::Policy;

/// Sets the configuration's rules, followed by those that every container has.
///
/// # Errors
/// [`Error::Value`] for a rule that can't be understood, or that v1 can't express; [`Error::NoController`]
/// if there is nothing that enforces rules; [`Error::Os`].
pub(crate) fn apply(
    cgroup: &Cgroup,
    resources: &Resources,
    devices: &[Device],
) -> Result<(), Error> {
    let mut rules = rule::configured(&resources.devices)?;
    rules.extend(allowed::rules(devices));
    let policy = Policy::new(rules);
    if let Some(place) = cgroup.of("devices") {
        return exceptions::write(place, &Exceptions::new(&policy)?)
            .map_err(|error| error.at(rule::POINTER));
    }
    match (cgroup.unified(), cgroup.fd()?) {
        (Some(place), Some(fd)) => {
            attach::attach(place, fd, &policy).map_err(|error| error.at(rule::POINTER))
        }
        _ => Err(Error::NoController {
            pointer: rule::POINTER.to_owned(),
            controller: "devices".to_owned(),
            place: "in a hierarchy that the container has a cgroup in".to_owned(),
        }),
    }
}
