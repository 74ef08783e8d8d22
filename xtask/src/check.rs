//! One thing that was checked, and how it went.

use std::fmt;

/// How a check ended.
pub(crate) enum Outcome {
    /// It holds; what was measured.
    Passed(String),
    /// It doesn't hold, and why.
    Failed(String),
    /// It couldn't be tried here, and why.
    Skipped(String),
}

/// A named outcome.
pub(crate) struct Check {
    /// What was checked.
    pub(crate) name: String,
    /// How it ended.
    pub(crate) outcome: Outcome,
}

impl Check {
    /// Measured against a limit.
    pub(crate) fn at_most(name: impl Into<String>, measured: u64, limit: u64) -> Self {
        let outcome = match measured.cmp(&limit) {
            std::cmp::Ordering::Greater => {
                Outcome::Failed(format!("{measured}, more than the promised {limit}"))
            }
            std::cmp::Ordering::Equal => Outcome::Passed(format!("{measured}")),
            std::cmp::Ordering::Less => Outcome::Passed(format!("{measured} of {limit}")),
        };
        Self { name: name.into(), outcome }
    }

    /// A check that passes when nothing goes wrong.
    pub(crate) fn of(name: impl Into<String>, result: crate::Result<String>) -> Self {
        let outcome = match result {
            Ok(what) => Outcome::Passed(what),
            Err(why) => Outcome::Failed(why),
        };
        Self { name: name.into(), outcome }
    }

    /// A check that can't be tried here.
    pub(crate) fn skipped(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Skipped(why.into()) }
    }

    /// Prints the check on a line of its own.
    pub(crate) fn print(&self) {
        println!("{self}");
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Outcome::Passed(what) => write!(f, "ok: {}: {what}", self.name),
            Outcome::Failed(why) => write!(f, "FAILED: {}: {why}", self.name),
            Outcome::Skipped(why) => write!(f, "skipped: {}: {why}", self.name),
        }
    }
}
