//! The cgroup of a container that is being made.

use coble_cgroup::{Cgroup, Creation, Starting, UnitRequest};
use coble_spec::{Device, Linux, Resources};

use super::Making;
use crate::error::{Error, Result};
use crate::out_of_memory::OomKills;

/// The words of runc, and what helps.
const NO_RIGHTS: &str = "rootless needs no limits + no cgrouppath when no permission is granted for cgroups; \
                         --systemd-cgroup asks the user's systemd for one";

/// What helps root who has no rights over cgroups, as in an engine's container.
const GO_WITHOUT: &str = "--rootless=true goes without a cgroup where nothing asks for one";

impl Making {
    pub(super) fn make_cgroup(&mut self, mut cgroup: Cgroup) -> Result<()> {
        self.entry.record_cgroup(&cgroup.record())?;
        let made = cgroup.create(self.may_lack.cgroup).map_err(|error| {
            let lacks_rights = error.is_permission() && !self.may_lack.cgroup;
            let error = Error::from(error);
            if lacks_rights { error.followed_by(GO_WITHOUT) } else { error }
        })?;
        self.lacks_cgroup = made == Creation::NoPermission;
        self.former_oom_kills = cgroup.former_oom_kills()?;
        self.cgroup = Some(cgroup);
        Ok(())
    }

    /// Whether systemd makes the cgroup around the executor's process.
    pub(super) fn is_scope(&self) -> bool {
        self.cgroup.as_ref().is_some_and(Cgroup::is_scope)
    }

    /// Has systemd make the cgroup around the executor's process, while that works, and puts limits and device rules
    /// into force. Then the executor may go on to what depends on it.
    pub(super) fn make_scope(&mut self) -> Result<()> {
        let pid = self.executor()?.pid;
        let starting = self.start_unit(Some(pid))?;
        self.await_unit(starting)?;
        self.limit()?;
        if let Some(cgroup) = self.cgroup.as_ref().filter(|cgroup| cgroup.needs_enter()) {
            cgroup.enter(pid, true)?;
        }
        self.executor()?.answer_in_cgroup()
    }

    /// Whether the kernel may find the container's processes too large once its limits are in force.
    pub(super) fn limits_memory(&self) -> bool {
        let linux = self.bundle.spec.linux.as_ref();
        linux.and_then(|linux| linux.resources.as_ref()).is_some_and(|resources| {
            let memory = resources.memory.as_ref().is_some_and(|memory| memory.limit.is_some());
            memory || resources.unified.keys().any(|file| file.starts_with("memory."))
        })
    }

    /// Puts limits and device rules into force, while the executor works: nothing of the container runs before
    /// [`Making::write_record`].
    pub(super) fn limit(&mut self) -> Result<()> {
        let Some(cgroup) = &mut self.cgroup else { return Ok(()) };
        let linux = self.bundle.spec.linux.as_ref();
        let default = Resources::default();
        let (resources, devices) = limits(linux, &default);
        let applied =
            cgroup.apply(resources, devices, self.may_lack.device_rules || self.no_cgroup);
        applied.map(drop).map_err(|error| match error {
            coble_cgroup::Error::NoController { .. } if self.lacks_cgroup => {
                Error::from(error).followed_by(NO_RIGHTS)
            }
            error => error.into(),
        })
    }

    /// Asks systemd for the unit.
    pub(super) fn start_unit(&mut self, pid: Option<i32>) -> Result<Starting> {
        let cgroup = self.cgroup.as_mut().ok_or_else(|| Error::new("no cgroup was located"))?;
        let default = Resources::default();
        let (resources, devices) = limits(self.bundle.spec.linux.as_ref(), &default);
        let annotations = &self.bundle.spec.annotations;
        let request = UnitRequest { id: &self.id, resources, devices, annotations };
        Ok(cgroup.start_unit(pid, &request)?)
    }

    /// Returns once the unit is there.
    pub(super) fn await_unit(&mut self, starting: Starting) -> Result<()> {
        self.cgroup.as_mut().map_or(Ok(()), |cgroup| Ok(cgroup.await_unit(starting)?))
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
