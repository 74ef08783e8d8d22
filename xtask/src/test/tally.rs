//! Counting what passed, failed and was skipped.

use std::collections::BTreeSet;
use std::fmt;

use crate::check::{Check, Outcome};

/// The three counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Tally {
    /// One failure, told on a line of its own.
    pub(super) fn failure(why: &str) -> Self {
        println!("FAILED: {why}");
        Self { failed: 1, ..Self::default() }
    }

    /// Adds another tally.
    pub(super) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Prints a check and counts it.
    pub(super) fn check(&mut self, check: &Check) {
        check.print();
        match check.outcome {
            Outcome::Passed(_) => self.passed += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Skipped(_) => self.skipped += 1,
        }
    }

    /// Counts printed checks: see [`Check::print`].
    pub(super) fn of_checks(text: &str) -> Self {
        let count = |mark: &str| text.lines().filter(|line| line.starts_with(mark)).count();
        Self { passed: count("ok: "), failed: count("FAILED: "), skipped: count("skipped: ") }
    }

    /// Counts what one test program printed; `None` if it printed no result, so didn't get to its end.
    ///
    /// A test that can't run says `skipped: NAME: reason` and returns, which the harness takes for a pass.
    pub(super) fn of_harness(text: &str) -> Option<Self> {
        let mut tally = Self::default();
        let mut results = 0;
        let mut failed: BTreeSet<&str> = BTreeSet::new();
        let mut skipped: BTreeSet<&str> = BTreeSet::new();
        for line in text.lines() {
            if let Some(result) = line.strip_prefix("test result: ") {
                results += 1;
                tally.passed += number_before(result, " passed")?;
                tally.failed += number_before(result, " failed")?;
                tally.skipped += number_before(result, " ignored")?;
            } else if let Some(name) =
                line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED"))
            {
                failed.insert(name);
            } else if let Some(said) = line.strip_prefix("skipped: ") {
                skipped.insert(said.split(": ").next().unwrap_or(said));
            }
        }
        let skipped = skipped.difference(&failed).count().min(tally.passed);
        tally.passed -= skipped;
        tally.skipped += skipped;
        (results > 0).then_some(tally)
    }
}

/// The number that stands right before `word`: `ok. 3 passed; 1 failed` has 3 before ` passed`.
fn number_before(text: &str, word: &str) -> Option<usize> {
    text.split(word).next()?.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_tests_are_not_passed_ones() {
        let text = "\ntest a ... ok\nskipped: b: needs root\ntest b ... ok\n\
                    test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n";
        let tally = Tally { passed: 1, failed: 0, skipped: 2 };
        assert_eq!(Tally::of_harness(text), Some(tally));
    }

    #[test]
    fn a_test_that_says_so_twice_counts_once_and_one_that_fails_has_failed() {
        let text = "skipped: a: x\nskipped: a: x\nskipped: m::b: x\ntest m::b ... FAILED\n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored;\n";
        assert_eq!(Tally::of_harness(text), Some(Tally { passed: 0, failed: 1, skipped: 1 }));
    }

    #[test]
    fn a_program_without_a_result_has_no_tally() {
        assert_eq!(Tally::of_harness("test a ... ok\n"), None);
    }

    #[test]
    fn the_closing_line() {
        let tally = Tally { passed: 3, failed: 0, skipped: 1 };
        assert_eq!(tally.to_string(), "3 passed, 0 failed, 1 skipped");
    }
}
