//! `linux.resources` as values for the kernel's files, one file of source for each controller.

mod block_io;
mod cpu;
mod cpuset;
mod hugetlb;
mod journal;
mod memory;
mod network;
mod pids;
mod rdma;
mod unified;
mod write;

use coble_spec::Resources;

use crate::place::Place;
use crate::{Cgroup, Error, file, remedy};

pub use cpu::weight as cpu_weight;
pub(crate) use journal::Journal;
pub(crate) use write::Write;

/// What the limits of one controller depend on besides the configuration.
pub(crate) struct Target<'a> {
    pub(crate) is_v2: bool,
    /// Nothing has been set and nothing runs in it.
    pub(crate) is_fresh: bool,
    /// The text of a file of the cgroup; none if it can't be read.
    pub(crate) read: &'a dyn Fn(&str) -> Option<String>,
}

/// A controller's names and the values that the configuration has for it, none if it asks for nothing.
struct Section {
    v1: &'static str,
    /// None if v2 has nothing like it.
    v2: Option<&'static str>,
    writes: fn(&Resources, &Target<'_>) -> Result<Vec<Write>, Error>,
}

/// What to write where, and the controller's name there.
struct Planned<'a> {
    place: &'a Place,
    controller: &'static str,
    writes: Vec<Write>,
}

const SECTIONS: [Section; 9] = [
    Section { v1: "pids", v2: Some("pids"), writes: pids::writes },
    Section { v1: "memory", v2: Some("memory"), writes: memory::writes },
    Section { v1: "blkio", v2: Some("io"), writes: block_io::writes },
    Section { v1: "cpu", v2: Some("cpu"), writes: cpu::writes },
    Section { v1: "cpuset", v2: Some("cpuset"), writes: cpuset::writes },
    Section { v1: "hugetlb", v2: Some("hugetlb"), writes: hugetlb::writes },
    Section { v1: "rdma", v2: Some("rdma"), writes: rdma::writes },
    Section { v1: "net_cls", v2: None, writes: network::class },
    Section { v1: "net_prio", v2: None, writes: network::priorities },
];

/// Sets all limits but the device rules. The whole configuration is understood before the first one is set.
///
/// # Errors
/// [`Error::Value`], [`Error::NoController`] or [`Error::Os`]; what was set until then is in the journal.
pub(crate) fn apply(
    cgroup: &Cgroup,
    resources: &Resources,
    journal: &mut Journal,
) -> Result<(), Error> {
    let unified = unified::writes(resources, !cgroup.legacy().is_empty())?;
    let mut plan = Vec::new();
    for section in &SECTIONS {
        plan.extend(section.plan(cgroup, resources)?);
    }
    for Planned { place, controller, writes } in &plan {
        write::run(place, controller, writes, journal)
            .map_err(|error| memory::explain(error, place, writes))?;
    }
    unified::run(cgroup, &unified, journal)
}

/// All values but those of device rules, in the order in which they are written.
///
/// # Errors
/// [`Error::Value`] or [`Error::NoController`].
pub(crate) fn values(cgroup: &Cgroup, resources: &Resources) -> Result<Vec<Write>, Error> {
    let unified = unified::writes(resources, !cgroup.legacy().is_empty())?;
    let mut all = Vec::new();
    for section in &SECTIONS {
        all.extend(section.plan(cgroup, resources)?.into_iter().flat_map(|plan| plan.writes));
    }
    all.extend(unified);
    Ok(all)
}

impl Section {
    fn plan<'a>(
        &self,
        cgroup: &'a Cgroup,
        resources: &Resources,
    ) -> Result<Option<Planned<'a>>, Error> {
        // What only v1 can have is looked for there as long as there is a v1.
        let is_in_v2 = self.v2.is_some() || cgroup.legacy().is_empty();
        let place = cgroup.of(self.v1).or_else(|| cgroup.unified().filter(|_| is_in_v2));
        let read = |name: &str| file::read(place?.dir(), name).ok();
        let target = Target {
            is_v2: place.is_some_and(Place::is_v2),
            is_fresh: place.is_some_and(|place| place.is_fresh),
            read: &read,
        };
        let writes = (self.writes)(resources, &target)?;
        let controller = self.v2.filter(|_| target.is_v2).unwrap_or(self.v1);
        match (writes.first(), place) {
            (None, _) => Ok(None),
            (Some(_), Some(place)) => Ok(Some(Planned { place, controller, writes })),
            (Some(first), None) => Err(Error::NoController {
                pointer: first.pointer.to_string(),
                controller: controller.to_owned(),
                place: "in a hierarchy that the container has a cgroup in".to_owned(),
                remedy: if cgroup.is_nowhere() { String::new() } else { remedy::in_v1(controller) },
            }),
        }
    }
}

/// What v2 has nothing for.
fn only_v1(pointer: &str, controller: &str) -> Error {
    let reason =
        format!("cgroup v2 has no such thing: it needs cgroup v1 with the controller {controller}");
    Error::value(pointer, reason)
}

#[cfg(test)]
mod tests {
    use super::{Target, Write};
    use crate::Error;

    /// A cgroup in a hierarchy of v1, without anything to read.
    pub(super) fn v1() -> Target<'static> {
        Target { is_v2: false, is_fresh: true, read: &|_| None }
    }

    /// A cgroup of v2, without anything to read.
    pub(super) fn v2() -> Target<'static> {
        Target { is_v2: true, is_fresh: true, read: &|_| None }
    }

    /// `file=value`, or what is wrong.
    pub(super) fn values(writes: Result<Vec<Write>, Error>) -> Vec<String> {
        match writes {
            Ok(writes) => {
                writes.iter().map(|write| format!("{}={}", write.file, write.value)).collect()
            }
            Err(error) => vec![error.to_string()],
        }
    }
}
