//! The cgroup of a container that is being made.

use coble_cgroup::{Cgroup, UnitRequest};
use coble_spec::{Device, Linux, Resources};

use super::Making;
use crate::error::Result;

impl Making {
    pub(super) fn make_cgroup(&mut self, mut cgroup: Cgroup) -> Result<()> {
        self.entry.record_cgroup(&cgroup.record())?;
        let rootless = self.facts.is_rootless();
        cgroup.create(rootless)?;
        self.cgroup = Some(cgroup);
        Ok(())
    }

    /// Puts limits and device rules into force, while the executor works: nothing of the container runs before
    /// [`Making::write_record`].
    pub(super) fn limit(&mut self) -> Result<()> {
        let Some(cgroup) = &mut self.cgroup else { return Ok(()) };
        let linux = self.bundle.spec.linux.as_ref();
        let default = Resources::default();
        let (resources, devices) = limits(linux, &default);
        cgroup.apply(resources, devices, self.facts.is_rootless() || self.no_cgroup)?;
        Ok(())
    }

    /// Has systemd make the cgroup, of a scope around the executor's process. Returns once it is there.
    pub(super) fn make_unit(&mut self, pid: Option<i32>) -> Result<()> {
        let Some(cgroup) = &mut self.cgroup else { return Ok(()) };
        let default = Resources::default();
        let (resources, devices) = limits(self.bundle.spec.linux.as_ref(), &default);
        let annotations = &self.bundle.spec.annotations;
        let request = UnitRequest { id: &self.id, resources, devices, annotations };
        let starting = cgroup.start_unit(pid, &request)?;
        Ok(cgroup.await_unit(starting)?)
    }
}

/// `linux.resources` and `linux.devices`.
fn limits<'a>(linux: Option<&'a Linux>, default: &'a Resources) -> (&'a Resources, &'a [Device]) {
    let resources = linux.and_then(|linux| linux.resources.as_ref()).unwrap_or(default);
    (resources, linux.map_or(&[], |linux| &linux.devices))
}
