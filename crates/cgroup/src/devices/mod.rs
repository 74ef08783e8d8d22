//! Device rules: which device files the container's processes may open and make.

mod allowed;
mod attach;
mod exceptions;
mod former;
mod policy;
mod program;
mod rule;
#[cfg(test)]
mod tests;
mod unit;

use coble_spec::{Device, Resources};

use crate::{Cgroup, Error, remedy};
use exceptions::Exceptions;
pub(crate) use former::Former;
use policy::Policy;
pub(crate) use unit::Allowed;

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
    let policy = policy(resources, devices)?;
    if let Some(place) = cgroup.of("devices") {
        return exceptions::write(cgroup, place, &Exceptions::new(&policy)?)
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
            remedy: if cgroup.is_nowhere() { String::new() } else { remedy::in_v1("devices") },
        }),
    }
}

/// The same rules as systemd has them; `None` if everything is allowed.
///
/// # Errors
/// [`Error::Value`] for a rule that can't be understood.
pub(crate) fn listed(
    resources: &Resources,
    devices: &[Device],
) -> Result<Option<Vec<Allowed>>, Error> {
    policy(resources, devices).map(|policy| unit::allowed(&policy))
}

fn policy(resources: &Resources, devices: &[Device]) -> Result<Policy, Error> {
    let mut rules = rule::configured(&resources.devices)?;
    rules.extend(allowed::rules(devices));
    Ok(Policy::new(rules))
}

/// The rules as they are written with v1, and as the program of v2 judges them.
#[cfg(test)]
pub(crate) fn shown(resources: &Resources) -> [Result<Vec<String>, Error>; 2] {
    let policy = match policy(resources, &[]) {
        Ok(policy) => policy,
        Err(error) => return [Err(error.clone()), Err(error)],
    };
    let word = |allow: bool| if allow { "allow" } else { "deny" };
    let number = |number: Option<u32>| number.map_or("*".to_owned(), |number| number.to_string());
    let rule = |rule: &rule::Rule| {
        let kind = match rule.kind {
            None => "a",
            Some(rule::Kind::Block) => "b",
            Some(rule::Kind::Char) => "c",
        };
        let (major, minor) = (number(rule.major), number(rule.minor));
        format!("{} {kind} {major}:{minor} {}", word(rule.allow), exceptions::letters(rule.access))
    };
    let first = format!("{} a *:* rwm", word(policy.default_allow));
    let rules = std::iter::once(first).chain(policy.rules.iter().map(rule)).collect();
    [Exceptions::new(&policy).map(|state| exceptions::lines(&state)), Ok(rules)]
}
