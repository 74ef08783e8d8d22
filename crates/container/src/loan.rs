//! What a process in a user namespace can't take by itself: higher limits and a lower out-of-memory score need
//! CAP_SYS_RESOURCE in the first user namespace (setrlimit(2), proc_pid_oom_score_adj(5)).

use coble_spec::Process;
use coble_sys::rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use coble_sys::{resource, rlimit as pair};

use crate::rlimit;

/// What the parent gives to the executor, whose own steps then find it allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loan {
    /// Limits whose upper bound is raised.
    limits: Vec<(Resource, Rlimit)>,
    score: Option<i32>,
}

impl Loan {
    /// What `process` asks for beyond what this process has, and so its children.
    pub(crate) fn of(process: &Process) -> Self {
        let raised = process.rlimits.iter().filter_map(|limit| {
            let resource = resource(rlimit::number(&limit.kind)?)?;
            let own = getrlimit(resource);
            let is_more = own.maximum.is_some_and(|maximum| limit.hard > maximum);
            let wanted = Rlimit { current: own.current, ..pair(0, limit.hard) };
            is_more.then_some((resource, wanted))
        });
        Self { limits: raised.collect(), score: process.oom_score_adj }
    }

    /// Whether it has a higher limit.
    pub(crate) fn raises(&self) -> bool {
        !self.limits.is_empty()
    }

    /// Gives it to the process. What this process may not give either is left to the executor's steps, which say
    /// so.
    pub(crate) fn give(&self, pid: i32) {
        for (resource, wanted) in &self.limits {
            let _ = prlimit(Pid::from_raw(pid), *resource, *wanted);
        }
        if let Some(score) = self.score {
            let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), score.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_more_is_given() {
        let own = getrlimit(Resource::Nofile);
        let maximum = own.maximum.unwrap();
        let asked = |hard| {
            let limit = coble_spec::Rlimit { kind: "RLIMIT_NOFILE".into(), soft: 1, hard };
            Loan::of(&Process { rlimits: vec![limit], ..Process::default() })
        };
        assert!(!asked(maximum).raises() && !asked(1).raises());
        let wanted = Rlimit { current: own.current, maximum: Some(maximum + 1) };
        assert_eq!(asked(maximum + 1).limits, [(Resource::Nofile, wanted)]);
        assert_eq!(asked(u64::MAX).limits[0].1.maximum, None);
    }
}
