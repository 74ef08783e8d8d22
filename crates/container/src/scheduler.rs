//! Names of sched_setattr(2) and ioprio_set(2).

use coble_plan::Step;
use coble_spec::{IoPriority, Scheduler};

use crate::error::{Error, Result};
use crate::validate::quoted;

/// `SCHED_*`, sched(7).
const POLICIES: [(&str, u32); 6] = [
    ("SCHED_OTHER", 0),
    ("SCHED_FIFO", 1),
    ("SCHED_RR", 2),
    ("SCHED_BATCH", 3),
    ("SCHED_IDLE", 5),
    ("SCHED_DEADLINE", 6),
];

/// `SCHED_FLAG_*`, linux/sched.h.
const FLAGS: [(&str, u64); 7] = [
    ("SCHED_FLAG_RESET_ON_FORK", 0x01),
    ("SCHED_FLAG_RECLAIM", 0x02),
    ("SCHED_FLAG_DL_OVERRUN", 0x04),
    ("SCHED_FLAG_KEEP_POLICY", 0x08),
    ("SCHED_FLAG_KEEP_PARAMS", 0x10),
    ("SCHED_FLAG_UTIL_CLAMP_MIN", 0x20),
    ("SCHED_FLAG_UTIL_CLAMP_MAX", 0x40),
];

/// `IOPRIO_CLASS_*`, linux/ioprio.h.
const CLASSES: [(&str, u32); 3] =
    [("IOPRIO_CLASS_RT", 1), ("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3)];

/// `process.scheduler` as a step.
///
/// # Errors
/// An unknown policy or flag, or a negative priority.
pub(crate) fn scheduler_step(scheduler: &Scheduler) -> Result<Step<'static>> {
    let mut flags = 0;
    for flag in &scheduler.flags {
        flags |= find(&FLAGS, flag)?;
    }
    let priority = u32::try_from(scheduler.priority)
        .map_err(|_| Error::new(format!("invalid priority {}", scheduler.priority)))?;
    Ok(Step::Scheduler {
        policy: find(&POLICIES, &scheduler.policy)?,
        nice: scheduler.nice,
        priority,
        flags,
        runtime: scheduler.runtime,
        deadline: scheduler.deadline,
        period: scheduler.period,
    })
}

/// `process.ioPriority` as a step.
///
/// # Errors
/// An unknown class, or a level that is not 0 to 7.
pub(crate) fn io_priority_step(io: &IoPriority) -> Result<Step<'static>> {
    let level = u32::try_from(io.priority).ok().filter(|level| *level < 8);
    let level = level.ok_or_else(|| Error::new(format!("invalid priority {}", io.priority)))?;
    Ok(Step::IoPriority { value: find(&CLASSES, &io.class)? << 13 | level })
}

fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Result<T> {
    let found = table.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| Error::new(format!("unknown name {}", quoted(name))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_numbers() {
        let scheduler = Scheduler {
            policy: "SCHED_FIFO".into(),
            priority: 3,
            flags: vec!["SCHED_FLAG_RESET_ON_FORK".into(), "SCHED_FLAG_DL_OVERRUN".into()],
            ..Scheduler::default()
        };
        let step = scheduler_step(&scheduler).unwrap();
        assert!(matches!(step, Step::Scheduler { policy: 1, priority: 3, flags: 5, .. }));
        let io = IoPriority { class: "IOPRIO_CLASS_BE".into(), priority: 4 };
        assert_eq!(io_priority_step(&io).unwrap(), Step::IoPriority { value: 0x4004 });
    }

    #[test]
    fn what_is_unknown_is_refused() {
        let scheduler = Scheduler { policy: "SCHED_MOON".into(), ..Scheduler::default() };
        assert_eq!(
            scheduler_step(&scheduler).unwrap_err().to_string(),
            "unknown name \"SCHED_MOON\""
        );
        let io = IoPriority { class: "IOPRIO_CLASS_BE".into(), priority: 8 };
        assert!(io_priority_step(&io).is_err());
    }
}
