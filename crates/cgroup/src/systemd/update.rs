//! Changes a unit's properties.

use coble_spec::{Device, Resources};

use super::bus::{Bus, manager_call};
use super::patience::Patience;
use super::property::Property;
use super::request::device_properties;
use super::start::{drop_named, encode};
use super::unit::{Manager, Unit};
use super::value::Encoder;
use crate::{Cgroup, Error, devices, file};

/// Until the next boot; a unit of ours doesn't live longer.
const RUNTIME: u32 = 1;

impl Cgroup {
    /// The properties that say what `resources` does, and the device rules if `devices` is given; none if there is
    /// no unit. To be called before the files are changed.
    ///
    /// # Errors
    /// [`Error::Value`] or [`Error::NoController`].
    pub(crate) fn changed_properties(
        &self,
        resources: &Resources,
        devices: Option<&[Device]>,
    ) -> Result<Vec<Property>, Error> {
        let Some(unit) = &self.unit else { return Ok(Vec::new()) };
        let mut all = self.limit_properties(resources)?;
        if let Some(devices) = devices.filter(|_| unit.manager == Manager::System) {
            all.extend(device_properties(devices::listed(resources, devices)?));
        }
        Ok(all)
    }

    /// Tells systemd the weights for block devices of a new unit once more where BFQ has them: for the same effect its own
    /// weight is another number, and whether the cgroup has the file of BFQ is known only now.
    ///
    /// # Errors
    /// As [`Cgroup::set_properties`].
    pub(crate) fn correct_weights(&self, resources: &Resources) -> Result<(), Error> {
        let Some(place) = self.unified().filter(|_| self.unit.is_some()) else { return Ok(()) };
        if resources.block_io.is_none() || file::read(place.dir(), "io.bfq.weight").is_err() {
            return Ok(());
        }
        let mut weights = self.limit_properties(resources)?;
        weights.retain(|property| matches!(&*property.name, "IOWeight" | "IODeviceWeight"));
        self.set_properties(weights)
    }

    /// Whether it is a unit of the system's manager.
    pub(crate) fn is_systems_unit(&self) -> bool {
        self.unit.as_ref().is_some_and(|unit| unit.manager == Manager::System)
    }

    /// Waits until systemd has carried out what it has said yes to: it does so before it takes the next message.
    ///
    /// # Errors
    /// [`Error::Systemd`].
    pub(crate) fn await_systemd(&self) -> Result<(), Error> {
        let Some(unit) = &self.unit else { return Ok(()) };
        let patience = Patience::to_change();
        let ping = || Bus::connect(unit.manager, patience)?.ping();
        match ping() {
            Err(Error::HungUp) => ping(),
            result => result,
        }
    }

    /// Tells systemd what has been written to the files, in one message.
    ///
    /// # Errors
    /// [`Error::Systemd`] or [`Error::Refused`].
    pub(crate) fn set_properties(&self, mut properties: Vec<Property>) -> Result<(), Error> {
        let Some(unit) = &self.unit else { return Ok(()) };
        let patience = Patience::to_change();
        while !properties.is_empty() {
            match set(unit, &properties, patience) {
                Err(Error::Refused { words, .. }) if drop_named(&mut properties, &words) => {}
                result => return result,
            }
        }
        Ok(())
    }
}

fn set(unit: &Unit, properties: &[Property], patience: Patience) -> Result<(), Error> {
    let ask = || {
        let mut body = Encoder::default();
        body.text(&unit.name);
        body.u32(RUNTIME);
        encode(&mut body, properties);
        let mut bus = Bus::connect(unit.manager, patience)?;
        bus.ask(&manager_call("SetUnitProperties", "sba(sv)", body)).map(drop)
    };
    match ask() {
        // The properties are the same the second time.
        Err(Error::HungUp) => ask(),
        result => result,
    }
}
