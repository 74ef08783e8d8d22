//! Processes of a container that the kernel kills for want of memory, by its counters.
//!
//! They tell how many, never which: what is said here is said of the container.

use coble_cgroup::Cgroup;
use coble_spec::Spec;
use coble_sys::rustix::io::Errno;

use crate::error::{Error, ErrorKind};
use crate::state::Record;

/// The annotation by which `state` tells how many they are, named as in `memory.events` (Linux,
/// admin-guide/cgroup-v2.rst).
pub(crate) const OOM_KILL: &str = "coble.oom_kill";

/// The counters of a container's cgroup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OomKills<'a> {
    cgroup: &'a Cgroup,
    /// How many are none of ours.
    before: u64,
}

impl<'a> OomKills<'a> {
    /// All but the first `before` ones.
    pub(crate) fn since(cgroup: &'a Cgroup, before: u64) -> Self {
        Self { cgroup, before }
    }

    /// Those that are still to come.
    pub(crate) fn from_now_on(cgroup: &'a Cgroup) -> Self {
        Self { cgroup, before: cgroup.oom_kills().unwrap_or(0) }
    }

    /// How many they are; none if nobody can tell (any more).
    pub(crate) fn count(&self) -> u64 {
        self.cgroup.oom_kills().unwrap_or(0).saturating_sub(self.before)
    }

    /// What to say when a process of the container `id` did not end well, if there are some.
    pub(crate) fn warning(&self, id: &str) -> Option<Error> {
        let cause = self.cause()?;
        Some(Error::new(format!("container {id} was out of memory: {cause}")))
    }

    /// The error with its cause, if that is the want of memory.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match self.cause() {
            Some(cause) => error.followed_by(&cause),
            None => error,
        }
    }

    /// The same for a container that can't be made, whose limit is to blame.
    pub(crate) fn explain_making(&self, error: Error, spec: &Spec) -> Error {
        let limit = self.limit();
        if self.count() == 0 && (limit.is_none() || !lacks_memory(&error)) {
            return error;
        }
        match configured(spec).filter(|_| limit.is_some()) {
            Some((pointer, value)) => {
                let words = format!("{error}: {pointer}: a memory limit of {value} is too low");
                Error::config(pointer, words)
            }
            None => self.explain(error),
        }
    }

    fn cause(&self) -> Option<String> {
        let count = self.count();
        let processes = if count == 1 { "process" } else { "processes" };
        let limit = match self.limit() {
            Some(limit) => format!("its memory limit of {limit} bytes was reached"),
            None => "no limit of its own was reached".to_owned(),
        };
        let killed = format!("the kernel has killed {count} {processes} of it (OOM)");
        (count > 0).then(|| format!("{killed}; {limit}"))
    }

    /// The container's own limit in bytes, if that was reached.
    fn limit(&self) -> Option<u64> {
        self.cgroup.exhausted_memory().ok().flatten()
    }
}

/// How many processes of a recorded container were killed; none if its cgroup is gone.
pub(crate) fn count_of(record: &Record) -> u64 {
    let cgroup = Cgroup::from_record(&record.cgroup);
    cgroup.map_or(0, |cgroup| OomKills::since(&cgroup, record.former_oom_kills).count())
}

/// Whether a step has failed for want of memory, which the kernel has then not killed for.
fn lacks_memory(error: &Error) -> bool {
    let nomem = Errno::NOMEM.raw_os_error();
    match error.kind() {
        ErrorKind::Step { errno, .. } | ErrorKind::Program { errno } => *errno == Some(nomem),
        ErrorKind::Kernel { errno } => *errno == nomem,
        _ => false,
    }
}

/// The configuration's limit of memory: where it stands, and what it is.
fn configured(spec: &Spec) -> Option<(&'static str, String)> {
    let resources = spec.linux.as_ref()?.resources.as_ref()?;
    // It is set last.
    if let Some(limit) = resources.unified.get("memory.max") {
        return Some(("/linux/resources/unified/memory.max", limit.clone()));
    }
    let limit = resources.memory.as_ref()?.limit.filter(|&limit| limit > 0)?;
    Some(("/linux/resources/memory/limit", format!("{limit} bytes")))
}

#[cfg(test)]
mod tests {
    use coble_spec::{Linux, Memory, Resources};

    use super::*;

    #[test]
    fn a_limit_is_named_by_its_place() {
        let spec = |resources| {
            let linux = Linux { resources: Some(resources), ..Linux::default() };
            Spec { linux: Some(linux), ..Spec::default() }
        };
        let memory = |limit| Some(Memory { limit, ..Memory::default() });
        let limited = Resources { memory: memory(Some(4096)), ..Resources::default() };
        let place = "/linux/resources/memory/limit";
        assert_eq!(configured(&spec(limited.clone())), Some((place, "4096 bytes".to_owned())));
        let unified = [("memory.max".to_owned(), "1M".to_owned())].into();
        let place = "/linux/resources/unified/memory.max";
        let both = Resources { unified, ..limited };
        assert_eq!(configured(&spec(both)), Some((place, "1M".to_owned())));
        for none in [memory(Some(-1)), memory(None), None] {
            let resources = Resources { memory: none, ..Resources::default() };
            assert_eq!(configured(&spec(resources)), None);
        }
        assert_eq!(configured(&Spec::default()), None);
    }

    #[test]
    fn only_the_want_of_memory_is_blamed_on_a_limit() {
        let nomem = Some(Errno::NOMEM.raw_os_error());
        for (kind, expected) in [
            (ErrorKind::Step { step: "mount", pointer: String::new(), errno: nomem }, true),
            (ErrorKind::Step { step: "mount", pointer: String::new(), errno: Some(1) }, false),
            (ErrorKind::Program { errno: nomem }, true),
            (ErrorKind::Kernel { errno: Errno::NOMEM.raw_os_error() }, true),
            (ErrorKind::Hook, false),
        ] {
            assert_eq!(lacks_memory(&Error::of(kind, "why")), expected);
        }
    }
}
