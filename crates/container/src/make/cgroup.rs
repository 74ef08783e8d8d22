//! The cgroup of a container that is being made.

use coble_cgroup::{Cgroup, UnitRequest};
use coble_spec::{Device, Linux, Resources};

use super::Making;
use crate::error::{Error, Result};
use crate::out_of_memory::OomKills;

impl Making {
    pub(super) fn make_cgroup(&mut self, mut cgroup: Cgroup) -> Result<()> {
        self.entry.record_cgroup(&cgroup.record())?;
        let rootless = self.facts.is_rootless();
        cgroup.create(rootless)?;
        self.former_oom_kills = cgroup.former_oom_kills()?;
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

    /// What the kernel has counted of the container's want of memory.
    pub(crate) fn oom_kills(&self) -> Option<OomKills<'_>> {
        let cgroup = self.cgroup.as_ref()?;
        Some(OomKills::since(cgroup, self.former_oom_kills))
    }

    /// Why the executor ended without a word.
    pub(super) fn silence(&self) -> Result<Error> {
        if self.oom_kills().is_some_and(|kills| kills.count() > 0) {
            // The words that runc has for it.
            return Ok(Error::new("container init was OOM-killed (memory limit too low?)"));
        }
        Ok(self.executor()?.silence())
    }

    pub(super) fn explain_memory(&self, error: Error) -> Error {
        match self.oom_kills() {
            Some(kills) => kills.explain_making(error, &self.bundle.spec),
            None => error,
        }
    }
}

/// `linux.resources` and `linux.devices`.
fn limits<'a>(linux: Option<&'a Linux>, default: &'a Resources) -> (&'a Resources, &'a [Device]) {
    let resources = linux.and_then(|linux| linux.resources.as_ref()).unwrap_or(default);
    (resources, linux.map_or(&[], |linux| &linux.devices))
}
