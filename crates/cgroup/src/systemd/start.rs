//! Makes a unit.

use coble_sys::rustix::fs::{self, Mode};
use coble_sys::rustix::io::Errno;

use super::bus::{Bus, manager_call};
use super::message::Message;
use super::patience::Patience;
use super::property::Property;
use super::request::UnitRequest;
use super::stop;
use super::unit::Unit;
use super::value::{Encoder, Value};
use crate::place::Place;
use crate::{Cgroup, Error, cpuset, file, processes, subtree};

/// systemd has a unit of that name.
const EXISTS: &str = "org.freedesktop.systemd1.UnitExists";
/// A unit that is left over is cleared away; somebody may make it again, but not for ever.
const TRIES: u32 = 4;

/// A unit that systemd is making.
#[derive(Debug)]
pub struct Starting {
    bus: Bus,
    unit: Unit,
    pid: Option<u32>,
    properties: Vec<Property>,
    /// The number of the call that has no answer yet.
    call: u32,
    job: Option<String>,
    tries: u32,
    /// Whose a unit of that name would be.
    finds: Finds,
    patience: Patience,
}

/// Whose a unit is that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finds {
    /// Left over by a runtime that was killed, or in use.
    Others,
    /// Perhaps the very one that was asked for on a connection that has ended.
    PerhapsOurs,
    /// The same, whose job is waited for.
    Joined,
}

impl Cgroup {
    /// Whether systemd makes it around a process: then [`Cgroup::start_unit`] comes after the process has been made,
    /// and the process gets in by that.
    pub fn is_scope(&self) -> bool {
        self.unit.as_ref().is_some_and(Unit::is_scope)
    }

    /// The name of its unit, if systemd makes it.
    pub fn unit_name(&self) -> Option<&str> {
        self.unit.as_ref().map(|unit| unit.name.as_str())
    }

    /// How far below its unit's cgroup it is.
    pub fn depth_in_unit(&self) -> usize {
        self.unit.as_ref().map_or(0, Unit::depth)
    }

    /// Asks systemd for the unit, with all limits that it has properties for, and doesn't wait for it: that does
    /// [`Cgroup::await_unit`]. A scope is made around the process `pid`; a slice has none.
    ///
    /// # Errors
    /// [`Error::Value`] for a value that can't be meant; [`Error::Systemd`] if systemd can't be reached. Then this
    /// object is no longer about any cgroup.
    pub fn start_unit(
        &mut self,
        pid: Option<i32>,
        request: &UnitRequest<'_>,
    ) -> Result<Starting, Error> {
        self.ask_for_unit(pid, request).inspect_err(|_| self.forget())
    }

    fn ask_for_unit(
        &mut self,
        pid: Option<i32>,
        request: &UnitRequest<'_>,
    ) -> Result<Starting, Error> {
        let unit = self.unit.clone().ok_or_else(|| Error::systemd("it has no part in this"))?;
        self.places.iter_mut().for_each(|place| place.is_fresh = true);
        let pid = pid.and_then(|pid| u32::try_from(pid).ok());
        let properties = self.unit_properties(&unit, pid, request)?;
        let patience = Patience::to_make();
        let (bus, call) = begin(&unit, &properties, patience)?;
        let (job, tries, finds) = (None, 0, Finds::Others);
        Ok(Starting { bus, unit, pid, properties, call, job, tries, finds, patience })
    }

    /// Waits until the unit is there and its process in it, and makes what systemd leaves to others: directories in
    /// hierarchies that it has no use for, controllers that it doesn't enable, and the cgroup below the unit's own if
    /// that is to be the container's, into which the process goes in v2.
    ///
    /// # Errors
    /// [`Error::NotEmpty`] for a unit that is in use by others; [`Error::Refused`], [`Error::Systemd`]; [`Error::Os`].
    /// Then this object is no longer about any cgroup, and what systemd has made is gone.
    pub fn await_unit(&mut self, mut starting: Starting) -> Result<(), Error> {
        loop {
            match starting.step(self) {
                Ok(false) => {}
                Ok(true) => break,
                Err(error) => {
                    let ours = !matches!(error, Error::NotEmpty(_));
                    // A scope goes with its process; who hasn't answered until now is not asked again.
                    if ours && !starting.patience.is_over() && self.in_use() == 0 {
                        let _ = stop::stop(&starting.unit);
                    }
                    self.forget();
                    return Err(error);
                }
            }
        }
        let (unit, pid) = (&starting.unit, starting.pid);
        self.places.iter().try_for_each(|place| finish(place, unit, pid))
    }

    /// What is at its place may be somebody else's.
    fn forget(&mut self) {
        (self.places, self.unit) = (Vec::new(), None);
    }

    fn in_use(&self) -> usize {
        self.unit_procs().map_or(usize::MAX, |pids| pids.len())
    }

    /// The processes of the whole unit.
    fn unit_procs(&self) -> Result<Vec<i32>, Error> {
        match (&self.unit, self.main_place()) {
            (Some(unit), Some(place)) => processes::list(&unit.place(place)),
            _ => Ok(Vec::new()),
        }
    }
}

impl Starting {
    /// Takes the next message. Whether the unit is there.
    fn step(&mut self, cgroup: &Cgroup) -> Result<bool, Error> {
        match self.take(cgroup) {
            Err(Error::HungUp) => self.reconnect(cgroup),
            taken => taken,
        }
    }

    fn take(&mut self, cgroup: &Cgroup) -> Result<bool, Error> {
        let what = match &self.job {
            None => "answer to StartTransientUnit".to_owned(),
            Some(_) => format!("end of the job that starts {}", self.unit.name),
        };
        match self.bus.receive(&what)? {
            Message::Reply { to, body, .. } if to == self.call => {
                let Some(Value::Text(job)) = body.into_iter().next() else {
                    return Err(Error::systemd("its answer can't be understood"));
                };
                self.job = Some(job);
            }
            Message::Error { to, name, words } if to == self.call => {
                self.correct(cgroup, name, words)?;
            }
            Message::Signal { member, body, .. } if member == "JobRemoved" => {
                if let Some(result) = stop::result_of(&body, self.job.as_deref()) {
                    return match result {
                        "done" => Ok(true),
                        _ if self.finds == Finds::Joined => {
                            self.clear_and_ask(cgroup).map(|()| false)
                        }
                        other => Err(Error::systemd(format!(
                            "the unit {} could not be started: {other}",
                            self.unit.name
                        ))),
                    };
                }
            }
            _ => {}
        }
        Ok(false)
    }

    /// Asks again, for what an older systemd can do, or after what is in the way has been cleared away.
    fn correct(&mut self, cgroup: &Cgroup, name: String, words: String) -> Result<(), Error> {
        if name == EXISTS && self.finds == Finds::PerhapsOurs {
            return self.join();
        }
        if self.finds == Finds::Joined || name == EXISTS && self.tries < TRIES {
            return self.clear_and_ask(cgroup);
        }
        if !drop_named(&mut self.properties, &words) {
            return Err(Error::Refused { name, words });
        }
        self.call = send(&mut self.bus, &self.unit, &self.properties)?;
        Ok(())
    }

    /// Waits for the end of a job that may be there for the unit, or for none if the unit is up.
    fn join(&mut self) -> Result<(), Error> {
        self.finds = Finds::Joined;
        let mut body = Encoder::default();
        body.text(&self.unit.name);
        body.text("replace");
        self.call = self.bus.send(&manager_call("StartUnit", "ss", body))?;
        Ok(())
    }

    fn clear_and_ask(&mut self, cgroup: &Cgroup) -> Result<(), Error> {
        self.tries += 1;
        (self.finds, self.job) = (Finds::Others, None);
        self.clear(cgroup)?;
        self.call = send(&mut self.bus, &self.unit, &self.properties)?;
        Ok(())
    }

    /// What is left of a unit whose maker was killed. One that has processes is somebody's.
    fn clear(&mut self, cgroup: &Cgroup) -> Result<(), Error> {
        match cgroup.unit_procs()?.len() {
            0 => stop::clear(&mut self.bus, &self.unit),
            count => Err(Error::NotEmpty(count)),
        }
    }

    /// systemd may be executed anew at any time. The kernel knows how far it has come.
    fn reconnect(&mut self, cgroup: &Cgroup) -> Result<bool, Error> {
        self.tries += 1;
        if self.tries > TRIES {
            return Err(Error::HungUp);
        }
        let is_there = |pid: u32| {
            let all = cgroup.unit_procs().unwrap_or_default();
            all.into_iter().any(|one| u32::try_from(one) == Ok(pid))
        };
        if self.pid.is_some_and(is_there) {
            return Ok(true);
        }
        (self.finds, self.job) = (Finds::PerhapsOurs, None);
        (self.bus, self.call) = begin(&self.unit, &self.properties, self.patience)?;
        Ok(false)
    }
}

/// Takes a property away that systemd names as the one that it can't set, if it may lack it.
pub(super) fn drop_named(properties: &mut Vec<Property>, words: &str) -> bool {
    let is_word =
        |name: &str| words.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name);
    let before = properties.len();
    properties.retain(|property| !(property.may_lack && is_word(&property.name)));
    properties.len() < before
}

/// Connects and sends the call; systemd may be executed anew between.
fn begin(unit: &Unit, properties: &[Property], patience: Patience) -> Result<(Bus, u32), Error> {
    let mut bus = Bus::connect(unit.manager, patience)?;
    match send(&mut bus, unit, properties) {
        Err(Error::HungUp) => {
            bus = Bus::connect(unit.manager, patience)?;
            send(&mut bus, unit, properties).map(|call| (bus, call))
        }
        call => call.map(|call| (bus, call)),
    }
}

fn send(bus: &mut Bus, unit: &Unit, properties: &[Property]) -> Result<u32, Error> {
    let mut body = Encoder::default();
    body.text(&unit.name);
    body.text("replace");
    encode(&mut body, properties);
    // No other units come with it.
    body.array(8, |_| {});
    bus.send(&manager_call("StartTransientUnit", "ssa(sv)a(sa(sv))", body))
}

pub(super) fn encode(body: &mut Encoder, properties: &[Property]) {
    body.array(8, |body| {
        for property in properties {
            body.align(8);
            body.text(&property.name);
            body.variant(&property.value);
        }
    });
}

/// Makes what systemd has left out in one hierarchy.
fn finish(place: &Place, unit: &Unit, pid: Option<u32>) -> Result<(), Error> {
    if !place.is_v2() {
        make(place)?;
        return if place.has("cpuset") { cpuset::fill_parents(place) } else { Ok(()) };
    }
    if let Some(pid) = pid {
        expect_inside(&unit.place(place), pid)?;
    }
    if unit.depth() > 0 {
        make(place)?;
        // A cgroup with processes can't have controllers for those below.
        pid.map_or(Ok(()), |pid| file::write(place.dir(), "cgroup.procs", &pid.to_string()))?;
    }
    subtree::enable(place)
}

/// Where the process is, is looked at rather than believed.
pub(super) fn expect_inside(place: &Place, pid: u32) -> Result<(), Error> {
    if processes::list(place)?.iter().any(|one| u32::try_from(*one) == Ok(pid)) {
        return Ok(());
    }
    let own = file::read(&format!("/proc/{pid}"), "cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("nowhere");
    let dir = place.dir();
    Err(Error::systemd(format!("the unit's cgroup should be {dir} and is {own}")))
}

/// The directory, with those above it.
fn make(place: &Place) -> Result<(), Error> {
    let above: Vec<&str> = place.ancestors().collect();
    for dir in above.into_iter().rev().skip(1).chain([place.dir()]) {
        match fs::mkdir(dir, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::os("make the cgroup", dir, errno)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_systemd_may_lack_is_dropped() {
        let all = || {
            let (old, new) = ("MemoryMax", "OOMPolicy");
            vec![
                Property::new(old, Value::U64(1)),
                Property::newer(new, Value::Text("continue".to_owned())),
            ]
        };
        let dropped = |words| {
            let mut properties = all();
            (drop_named(&mut properties, words), properties.len())
        };
        assert_eq!(dropped("Cannot set property OOMPolicy, or unknown property."), (true, 1));
        assert_eq!(dropped("Cannot set property MemoryMax, or unknown property."), (false, 2));
        assert_eq!(dropped("OOMPolicyX is odd"), (false, 2));
    }
}
