//! On which processors an exec'ed process runs (config.md, "Linux Process", `execCPUAffinity`).

use coble_plan::{Plan, Step};
use coble_spec::CpuAffinity;
use coble_sys::{sched_getaffinity, sched_setaffinity};

use crate::error::{Error, Result};
use crate::number_list;

/// `execCPUAffinity` as masks; empty for what it doesn't say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Processors {
    /// Those of the runtime while it makes the process, before that is in the container's cgroup.
    initial: Vec<u8>,
    /// Those of the process once it is there.
    last: Vec<u8>,
}

impl Processors {
    /// Reads both lists.
    ///
    /// # Errors
    /// The member that can't be read, and why.
    pub(crate) fn of(
        affinity: Option<&CpuAffinity>,
    ) -> std::result::Result<Self, (&'static str, String)> {
        let Some(affinity) = affinity else { return Ok(Self::default()) };
        let read = |member, list: &str| match list {
            "" => Ok(Vec::new()),
            list => number_list::mask(list).map_err(|reason| (member, reason)),
        };
        Ok(Self {
            initial: read("initial", &affinity.initial)?,
            last: read("final", &affinity.last)?,
        })
    }

    /// Adds the step that is due once the process is in its cgroup. Without a final list the kernel decides what
    /// becomes of the initial one; without any the process doesn't keep what the caller is bound to.
    pub(crate) fn step(&self, origin: &str, plan: &mut Plan) {
        match (self.initial.is_empty(), self.last.is_empty()) {
            (_, false) => plan.push(
                Step::Processors { mask: &self.last },
                format!("{origin}/execCPUAffinity/final"),
            ),
            (true, true) => plan.push(Step::Processors { mask: &[] }, ""),
            (false, true) => {}
        }
    }

    /// Makes the process by `start`, with the calling thread on the initial processors for that time.
    ///
    /// # Errors
    /// None of the initial processors is there; those of `start`.
    pub(crate) fn start<T>(&self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.initial.is_empty() {
            return start();
        }
        let failed = |errno| Error::os("execCPUAffinity/initial: sched_setaffinity", errno);
        let before = sched_getaffinity().map_err(failed)?;
        sched_setaffinity(&self.initial).map_err(failed)?;
        let started = start();
        // These were its own a moment ago; if they have all gone since, the kernel has found it others.
        let _ = sched_setaffinity(&before);
        started
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(initial: &str, last: &str) -> Processors {
        let affinity = CpuAffinity { initial: initial.into(), last: last.into() };
        Processors::of(Some(&affinity)).unwrap()
    }

    fn steps(processors: &Processors) -> Vec<String> {
        let mut plan = Plan::default();
        processors.step("/process", &mut plan);
        plan.iter().map(|(step, origin)| format!("{step} [{origin}]")).collect()
    }

    #[test]
    fn the_kernel_has_the_last_word_on_an_initial_list_alone() {
        assert_eq!(steps(&Processors::default()), ["run on every processor of the cgroup []"]);
        assert_eq!(steps(&of("", "")), ["run on every processor of the cgroup []"]);
        assert!(steps(&of("0", "")).is_empty());
        let wanted = ["run on the processors 0-3,7,5000 [/process/execCPUAffinity/final]"];
        assert_eq!(steps(&of("", "0-3,7,5000")), wanted);
        assert_eq!(steps(&of("1", "0-3,7,5000")), wanted);
    }

    #[test]
    fn the_thread_gets_its_processors_back() {
        let before = sched_getaffinity().unwrap();
        let first = before.iter().position(|byte| *byte != 0).unwrap();
        let one = first * 8 + before[first].trailing_zeros() as usize;
        let inside = of(&one.to_string(), "").start(|| Ok(sched_getaffinity().unwrap())).unwrap();
        assert_eq!(inside.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
        assert_eq!(sched_getaffinity().unwrap(), before);
        let error = of("8191", "").start(|| Ok(())).unwrap_err().to_string();
        assert!(error.contains("execCPUAffinity/initial") && error.contains("invalid"), "{error}");
    }
}
