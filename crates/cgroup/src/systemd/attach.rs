//! Has a user's systemd take a process into a unit that the user can't move it into.

use super::bus::{Bus, manager_call};
use super::patience::Patience;
use super::start::expect_inside;
use super::unit::{Manager, Unit};
use super::value::Encoder;
use crate::{Cgroup, Error};

impl Cgroup {
    /// Whether [`Cgroup::attach`] can help where the kernel refuses a process with EACCES. A user may move processes
    /// within what the manager has been given alone (cgroups(7), "cgroup delegation containment"), and whoever has
    /// logged in is in a session's scope beside it.
    pub fn can_attach(&self) -> bool {
        self.unit.as_ref().is_some_and(|unit| unit.manager == Manager::User)
    }

    /// Has the user's manager move the process into this cgroup, which it does with the help of the system's. Returns
    /// once it is there.
    ///
    /// # Errors
    /// [`Error::Refused`] or [`Error::Systemd`]; also if it is not there.
    pub fn attach(&self, pid: i32) -> Result<(), Error> {
        let unit = self.unit.as_ref().ok_or_else(|| Error::systemd("it has no part in this"))?;
        let patience = Patience::to_change();
        match ask(unit, pid, patience) {
            // To be moved twice is to be moved once.
            Err(Error::HungUp) => ask(unit, pid, patience)?,
            result => result?,
        }
        self.unified().map_or(Ok(()), |place| expect_inside(place, pid.unsigned_abs()))
    }
}

fn ask(unit: &Unit, pid: i32, patience: Patience) -> Result<(), Error> {
    let mut body = Encoder::default();
    body.text(&unit.name);
    match unit.below.as_str() {
        "" => body.text(""),
        below => body.text(&format!("/{below}")),
    }
    body.array(4, |body| body.u32(pid.unsigned_abs()));
    let mut bus = Bus::connect(unit.manager, patience)?;
    bus.ask(&manager_call("AttachProcessesToUnit", "ssau", body)).map(drop)
}
