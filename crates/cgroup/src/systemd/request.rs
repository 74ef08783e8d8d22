//! What a unit is asked to be.

use std::collections::BTreeMap;

use coble_spec::{Device, Resources};

use super::annotation;
use super::files;
use super::property::Property;
use super::unit::{Manager, Unit, slice_of};
use super::value::Value;
use crate::place::Place;
use crate::{Cgroup, Error, devices, file, limits};

/// The kernel's default of `cpu.weight`.
const WEIGHT: u64 = 100;

/// What a container's unit is made from.
#[derive(Clone, Copy, Debug)]
pub struct UnitRequest<'a> {
    /// The container's name, for the unit's description.
    pub id: &'a str,
    /// `linux.resources`.
    pub resources: &'a Resources,
    /// `linux.devices`.
    pub devices: &'a [Device],
    /// The container's annotations, of which `org.systemd.property.NAME` are further properties of the unit: texts of
    /// GVariant.
    pub annotations: &'a BTreeMap<String, String>,
}

impl Cgroup {
    /// All properties of a new unit, with `pid` for the first process of a scope.
    pub(super) fn unit_properties(
        &self,
        unit: &Unit,
        pid: Option<u32>,
        request: &UnitRequest<'_>,
    ) -> Result<Vec<Property>, Error> {
        let place = self.places.first().map(|place| unit.place(place));
        let path = place.as_ref().map_or("", Place::path);
        let mut all = nature(unit, slice_of(path), pid, request);
        all.extend(accounting(self.unified().is_some() && self.legacy().is_empty()));
        all.extend(self.limit_properties(&self.in_whole_percents(request.resources))?);
        if unit.manager == Manager::System {
            all.extend(device_properties(devices::listed(request.resources, request.devices)?));
        }
        all.extend(annotation::properties(request.annotations)?);
        Ok(all)
    }

    /// The limits as properties.
    pub(crate) fn limit_properties(&self, resources: &Resources) -> Result<Vec<Property>, Error> {
        let writes = limits::values(self, resources)?;
        let is_legacy = self.of("cpu").is_some();
        let files = writes
            .iter()
            // systemd knows it with v2 alone, and takes its word for a weight with v1.
            .filter(|write| !is_legacy || write.file != "cpu.idle")
            .map(|write| (&*write.file, write.value.as_str()));
        Ok(files::properties(files, &|| self.weight_in_force()))
    }

    /// The weight that the processor's time is shared by, with v2. One that is idle until now will have the kernel's
    /// default.
    fn weight_in_force(&self) -> Option<u64> {
        let place = self.unified().filter(|place| !place.is_fresh)?;
        let number = |name| file::read(place.dir(), name).ok()?.trim().parse().ok();
        if number("cpu.idle") == Some(1) { Some(WEIGHT) } else { number("cpu.weight") }
    }
}

/// What makes it a container's.
fn nature(unit: &Unit, slice: &str, pid: Option<u32>, request: &UnitRequest<'_>) -> Vec<Property> {
    let text = |text: &str| Value::Text(text.to_owned());
    let description = format!("coble container {}", request.id);
    let mut all = vec![Property::new("Description", text(&description))];
    if unit.is_scope() {
        all.push(Property::new("Slice", text(slice)));
        // The cgroups below are the container's; systemd neither removes nor changes them.
        all.push(Property::new("Delegate", Value::Bool(true)));
        let pids = pid.into_iter().map(Value::U32).collect();
        all.push(Property::new("PIDs", Value::Array("u", pids)));
        // One process that is killed for want of memory doesn't end the others, unless that is asked for: systemd writes
        // `memory.oom.group` by it. Scopes have it since version 253.
        let group = request.resources.unified.get("memory.oom.group");
        let is_whole = group.is_some_and(|value| value.trim() == "1");
        all.push(Property::newer("OOMPolicy", text(if is_whole { "kill" } else { "continue" })));
    } else {
        all.push(Property::new("Wants", Value::Array("s", vec![text(slice)])));
    }
    // It doesn't stop early in a shutdown: who runs containers ends them.
    all.push(Property::new("DefaultDependencies", Value::Bool(false)));
    // A unit that has failed is no reason to keep its name. Since version 236.
    all.push(Property::newer("CollectMode", text("inactive-or-failed")));
    all
}

/// Without it a controller may be off.
fn accounting(is_v2: bool) -> impl Iterator<Item = Property> {
    let io = if is_v2 { "IOAccounting" } else { "BlockIOAccounting" };
    ["CPUAccounting", io, "MemoryAccounting", "TasksAccounting"]
        .into_iter()
        .map(|name| Property::newer(name, Value::Bool(true)))
}

/// The list comes before what makes it count: at no time, nor in any file that systemd writes meanwhile, is there a
/// policy without its list.
pub(super) fn device_properties(list: Option<Vec<devices::Allowed>>) -> [Property; 3] {
    let policy = if list.is_some() { "strict" } else { "auto" };
    let text = |text: String| Value::Text(text);
    let pairs = list.unwrap_or_default().into_iter();
    let pairs = pairs.map(|(path, access)| Value::Struct(vec![text(path), text(access)])).collect();
    [
        // An empty list takes away what was there; another one is added to it.
        Property::new("DeviceAllow", Value::Array("(ss)", Vec::new())),
        Property::new("DeviceAllow", Value::Array("(ss)", pairs)),
        Property::new("DevicePolicy", text(policy.to_owned())),
    ]
}

#[cfg(test)]
mod tests {
    use coble_spec::{Cpu, DeviceRule, Memory, Pids};

    use super::*;

    fn cgroup(name: &str, manager: Manager) -> Cgroup {
        let mut place = Place::new("", "/nowhere", &format!("system.slice/{name}"));
        place.is_fresh = true;
        let unit = Unit::at(manager, place.path(), 0).unwrap();
        Cgroup::of_unit(vec![place], unit)
    }

    fn resources() -> Resources {
        Resources {
            memory: Some(Memory { limit: Some(1 << 20), swap: Some(3 << 20), ..Memory::default() }),
            cpu: Some(Cpu { shares: Some(1024), quota: Some(12_345), ..Cpu::default() }),
            pids: Some(Pids { limit: Some(0) }),
            unified: [("memory.high".to_owned(), "512K".to_owned())].into(),
            devices: vec![DeviceRule { access: "rwm".to_owned(), ..DeviceRule::default() }],
            ..Resources::default()
        }
    }

    fn shown(cgroup: &Cgroup, pid: Option<u32>) -> Vec<String> {
        shown_of(cgroup, pid, &resources())
    }

    fn shown_of(cgroup: &Cgroup, pid: Option<u32>, resources: &Resources) -> Vec<String> {
        let annotation = ("org.systemd.property.TimeoutStopSec".to_owned(), "3".to_owned());
        let request =
            UnitRequest { id: "box", resources, devices: &[], annotations: &[annotation].into() };
        let unit = cgroup.unit.as_ref().unwrap();
        let all = cgroup.unit_properties(unit, pid, &request).unwrap();
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_scope() {
        let expected = [
            "Description=s \"coble container box\"",
            "Slice=s \"system.slice\"",
            "Delegate=b true",
            "PIDs=au [7]",
            "OOMPolicy=s \"continue\"",
            "DefaultDependencies=b false",
            "CollectMode=s \"inactive-or-failed\"",
            "CPUAccounting=b true",
            "IOAccounting=b true",
            "MemoryAccounting=b true",
            "TasksAccounting=b true",
            "TasksMax=t 1",
            "MemorySwapMax=t 2097152",
            "MemoryMax=t 1048576",
            "CPUWeight=t 100",
            "MemoryHigh=t 524288",
            "CPUQuotaPeriodUSec=t 100000",
            "CPUQuotaPerSecUSec=t 130000",
            "DeviceAllow=a(ss) []",
            "DeviceAllow=a(ss) [(\"block-*\", \"m\"), (\"char-*\", \"m\"), (\"/dev/char/1:3\", \"rwm\"), \
             (\"/dev/char/1:5\", \"rwm\"), (\"/dev/char/1:7\", \"rwm\"), (\"/dev/char/1:8\", \"rwm\"), \
             (\"/dev/char/1:9\", \"rwm\"), (\"/dev/char/5:0\", \"rwm\"), (\"/dev/char/5:2\", \"rwm\"), \
             (\"/dev/char/10:200\", \"rwm\"), (\"char-136\", \"rwm\")]",
            "DevicePolicy=s \"strict\"",
            "TimeoutStopUSec=t 3000000",
        ];
        assert_eq!(shown(&cgroup("coble-box.scope", Manager::System), Some(7)), expected);
    }

    #[test]
    fn all_processes_are_killed_together_if_that_is_asked_for() {
        let mut resources = resources();
        for (value, policy) in [("1\n", "kill"), ("0", "continue")] {
            resources.unified.insert("memory.oom.group".to_owned(), value.to_owned());
            let shown = shown_of(&cgroup("a.scope", Manager::System), Some(7), &resources);
            assert!(shown.contains(&format!("OOMPolicy=s {policy:?}")), "{shown:?}");
        }
    }

    #[test]
    fn a_slice_has_no_processes_of_its_own() {
        let shown = shown(&cgroup("box.slice", Manager::System), None);
        assert!(shown.contains(&"Wants=as [\"system.slice\"]".to_owned()), "{shown:?}");
        for name in ["PIDs=", "Slice=", "Delegate=", "OOMPolicy="] {
            assert!(!shown.iter().any(|property| property.starts_with(name)), "{name}");
        }
    }

    #[test]
    fn a_user_has_no_rights_over_devices() {
        let shown = shown(&cgroup("coble-box.scope", Manager::User), Some(7));
        assert!(!shown.iter().any(|property| property.starts_with("Device")), "{shown:?}");
    }

    #[test]
    fn everything_allowed_is_no_policy() {
        let shown = device_properties(None).map(|property| property.to_string());
        let expected = ["DeviceAllow=a(ss) []", "DeviceAllow=a(ss) []", "DevicePolicy=s \"auto\""];
        assert_eq!(shown, expected);
    }
}
