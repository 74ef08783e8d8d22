//! Removes a unit.

use super::bus::{Bus, manager_call};
use super::message::Message;
use super::patience::Patience;
use super::unit::Unit;
use super::value::{Encoder, Value};
use crate::Error;

/// systemd has no such unit.
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";
/// systemd may be executed anew meanwhile, but not for ever.
const TRIES: usize = 3;

/// Stops a unit that has no processes any more, and waits until it is gone. One that isn't there needs no stopping:
/// systemd removes an empty scope by itself.
///
/// # Errors
/// [`Error::Systemd`] or [`Error::Refused`].
pub(crate) fn stop(unit: &Unit) -> Result<(), Error> {
    let patience = Patience::to_change();
    let mut result = Err(Error::HungUp);
    for _ in 0..TRIES {
        result = Bus::connect(unit.manager, patience).and_then(|mut bus| stop_on(&mut bus, unit));
        if !matches!(result, Err(Error::HungUp)) {
            return result;
        }
    }
    result
}

/// Stops what is left of a unit and forgets that it has failed, so that its name is free.
///
/// # Errors
/// As [`stop`].
pub(super) fn clear(bus: &mut Bus, unit: &Unit) -> Result<(), Error> {
    stop_on(bus, unit)?;
    match bus.ask(&manager_call("ResetFailedUnit", "s", named(unit))) {
        Ok(_) | Err(Error::Refused { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn stop_on(bus: &mut Bus, unit: &Unit) -> Result<(), Error> {
    let mut body = named(unit);
    body.text("replace");
    let answer = match bus.ask(&manager_call("StopUnit", "ss", body)) {
        Err(Error::Refused { name, .. }) if name == NO_SUCH_UNIT => return Ok(()),
        answer => answer?,
    };
    let Some(Value::Text(job)) = answer.into_iter().next() else {
        return Err(Error::systemd("its answer can't be understood"));
    };
    let end = format!("end of the job that stops {}", unit.name);
    loop {
        if let Message::Signal { member, body, .. } = bus.receive(&end)?
            && member == "JobRemoved"
            && let Some(result) = result_of(&body, Some(&job))
        {
            return match result {
                "done" => Ok(()),
                other => Err(Error::systemd(format!(
                    "the unit {} could not be stopped: {other}",
                    unit.name
                ))),
            };
        }
    }
}

fn named(unit: &Unit) -> Encoder {
    let mut body = Encoder::default();
    body.text(&unit.name);
    body
}

/// How the job ended, if the signal `JobRemoved(id, job, unit, result)` is about it.
pub(super) fn result_of<'a>(body: &'a [Value], job: Option<&str>) -> Option<&'a str> {
    match body {
        [_, Value::Text(removed), _, Value::Text(result)] if Some(removed.as_str()) == job => {
            Some(result)
        }
        _ => None,
    }
}
