//! `update`: changes the limits of a container that is there.

use std::path::{Path, PathBuf};

use coble_cgroup::Cgroup;
use coble_spec::{Device, Memory, Resources};
use serde_json::Value;

use crate::bundle::read_config;
use crate::error::{Error, ErrorKind, Result};
use crate::resctrl::SchemataUpdate;
use crate::runc;
use crate::state::{Record, Status};
use crate::status::status_of;
use crate::store::{Entry, absent};
use crate::validate::validate_resources;

/// What a pointer of the cgroup crate begins with: it takes `resources` for those of a `config.json`.
const ABOVE: &str = "/linux/resources";

/// New limits for a container.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// The state folder.
    pub root: PathBuf,
    /// The container.
    pub id: String,
    /// What is to change, in the units of config-linux.md: bytes, microseconds, -1 for no limit. What is not there
    /// stays as it is, and so does a limit of memory, a share, a quota, a period or a weight of 0.
    pub resources: Resources,
    /// Parts of the level 3 cache, a line of `schemata` (Intel RDT). Every container of the class gets them.
    pub l3_cache_schema: Option<String>,
    /// Memory bandwidth, a line of `schemata` (Intel RDT).
    pub mem_bw_schema: Option<String>,
}

impl Update {
    /// Changes the limits of a container that waits, runs or is paused.
    ///
    /// Device rules are the only part that is compared first, with those of the last update that had others, or of the
    /// container's `config.json`: engines send the same rules with every update, while a hook may have added others,
    /// which must not be lost.
    ///
    /// # Errors
    /// There is no such container, it has stopped (`container not running`), a value can't be meant (a JSON pointer
    /// into `resources` says which), or the kernel refuses one: the file is named. Then nothing has changed. If the
    /// container's record can't be written afterwards, they are in force and the next update doesn't know of them.
    pub fn execute(&self) -> Result<()> {
        validate_resources(&self.resources).map_err(|error| Error::new(error.to_string()))?;
        let entry = Entry::find(&self.root, &self.id)?;
        let mut record = entry.read()?.ok_or_else(|| absent(&self.id))?;
        let status = status_of(&record, entry.stage(&record))?;
        if matches!(status, Status::Stopped | Status::Creating) {
            let words = format!("container not running: {}", self.id);
            return Err(Error::of(ErrorKind::WrongStatus(status), words));
        }
        let (resources, memory_swap) = with_swap(&self.resources, record.memory_swap);
        let devices = new_devices(&resources, &record, &entry.config(&record))?;
        if record.runc.is_some() && devices.is_some() {
            return Err(Error::new("/devices: the rules of a container of runc can't be changed"));
        }
        let cgroup = Cgroup::from_record(&record.cgroup)?;
        let schemata = self.schemata(&record)?;
        schemata.as_ref().map_or(Ok(()), SchemataUpdate::carry_out)?;
        if let Err(error) = set(&entry, &record, &cgroup, &resources, devices.as_deref()) {
            schemata.as_ref().inspect(|schemata| schemata.undo());
            return Err(error);
        }
        if record.runc.is_some() {
            return entry.change(|state| self.note(state, &resources, memory_swap));
        }
        let is_same = record.memory_swap == memory_swap && devices.is_none();
        record.memory_swap = memory_swap;
        record.device_rules = devices.map(|_| resources.devices).or(record.device_rules);
        if is_same { Ok(()) } else { entry.write(&record) }
    }

    /// Has runc find what is in force now.
    fn note(&self, state: &mut Value, changed: &Resources, swap: Option<i64>) -> Result<()> {
        runc::patch(state, changed, swap)?;
        runc::patch_schemata(state, self.l3_cache_schema.as_deref(), self.mem_bw_schema.as_deref());
        Ok(())
    }

    /// What is to change of the container's resctrl class.
    fn schemata<'a>(&self, record: &'a Record) -> Result<Option<SchemataUpdate<'a>>> {
        let l3_cache_schema = self.l3_cache_schema.as_deref().unwrap_or_default();
        let mem_bw_schema = self.mem_bw_schema.as_deref().unwrap_or_default();
        SchemataUpdate::prepare(record.intel_rdt.as_ref(), l3_cache_schema, mem_bw_schema)
    }
}

/// Sets the limits of the cgroup.
///
/// # Errors
/// The record can't be written, or the kernel refuses a limit. Then they are as before, but for what the error names.
fn set(
    entry: &Entry,
    record: &Record,
    cgroup: &Cgroup,
    resources: &Resources,
    devices: Option<&[Device]>,
) -> Result<()> {
    if devices.is_some() {
        // Who is killed from here on leaves rules that nobody knows, and that no others are the same as.
        entry.write(&Record { device_rules: Some(Vec::new()), ..record.clone() })?;
    }
    let Err(error) = cgroup.update(resources, devices) else { return Ok(()) };
    if devices.is_some() && !error.leaves_device_rules() {
        entry.write(record)?;
    }
    Err(named(error))
}

/// Limits of memory alone and of memory with swap belong together: who changes the first keeps the second. cgroup v2
/// can't tell it, since its files know swap alone. Returns what to set, and what is then in force.
fn with_swap(resources: &Resources, old: Option<i64>) -> (Resources, Option<i64>) {
    let mut resources = resources.clone();
    let Some(memory) = &mut resources.memory else { return (resources, old) };
    let is_given = |value: Option<i64>| value.is_some_and(|value| value != 0);
    let swap = match memory {
        Memory { swap, .. } if is_given(*swap) => *swap,
        // Without a limit of memory there is none of both.
        Memory { limit: Some(-1), .. } => None,
        Memory { limit, swap, .. } => {
            if is_given(*limit) {
                *swap = old;
            }
            old
        }
    };
    (resources, swap)
}

/// `linux.devices`, if there are new device rules.
fn new_devices(
    resources: &Resources,
    record: &Record,
    config: &Path,
) -> Result<Option<Vec<Device>>> {
    if resources.devices.is_empty() || record.device_rules.as_ref() == Some(&resources.devices) {
        return Ok(None);
    }
    let config = read_config(config)?;
    let linux = config.linux.unwrap_or_default();
    let first = || linux.resources.unwrap_or_default().devices;
    let old = record.device_rules.clone().unwrap_or_else(first);
    Ok((old != resources.devices).then_some(linux.devices))
}

/// The error with a pointer into the resources.
fn named(error: coble_cgroup::Error) -> Error {
    let text = error.to_string();
    Error::new(text.strip_prefix(ABOVE).unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(limit: Option<i64>, swap: Option<i64>) -> Resources {
        let memory = Memory { limit, swap, ..Memory::default() };
        Resources { memory: Some(memory), ..Resources::default() }
    }

    #[test]
    fn a_limit_of_memory_keeps_that_of_memory_and_swap() {
        let cases = [
            ((Some(100), None), None, (Some(100), None), None),
            ((Some(100), None), Some(300), (Some(100), Some(300)), Some(300)),
            ((Some(100), Some(0)), Some(300), (Some(100), Some(300)), Some(300)),
            ((Some(100), Some(400)), Some(300), (Some(100), Some(400)), Some(400)),
            ((None, Some(400)), Some(300), (None, Some(400)), Some(400)),
            ((None, Some(-1)), Some(300), (None, Some(-1)), Some(-1)),
            ((Some(-1), None), Some(300), (Some(-1), None), None),
            ((Some(-1), Some(400)), Some(300), (Some(-1), Some(400)), Some(400)),
            ((None, None), Some(300), (None, None), Some(300)),
            ((Some(0), None), Some(300), (Some(0), None), Some(300)),
        ];
        for ((limit, swap), old, (new_limit, new_swap), kept) in cases {
            let expected = (memory(new_limit, new_swap), kept);
            assert_eq!(
                with_swap(&memory(limit, swap), old),
                expected,
                "{limit:?} {swap:?} {old:?}"
            );
        }
        assert_eq!(with_swap(&Resources::default(), Some(7)), (Resources::default(), Some(7)));
    }

    #[test]
    fn pointers_lead_into_the_resources() {
        let error = coble_cgroup::Error::Value {
            pointer: "/linux/resources/memory/swap".to_owned(),
            reason: "why".to_owned(),
        };
        assert_eq!(named(error).to_string(), "/memory/swap: why");
    }
}
