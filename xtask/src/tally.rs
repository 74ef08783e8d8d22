//! Counting what passed, failed and was skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::check::Check;

/// The three counts, and the names of what didn't pass.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
    /// One line for each failure and each skipped test.
    pub(crate) told: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl Tally {
    /// One failure, told on a line of its own.
    pub(crate) fn failure(name: &str, why: impl Into<String>) -> Self {
        let mut tally = Self::default();
        tally.check(&Check::of(name, Err(why.into())));
        tally
    }

    /// Adds another tally.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.told.extend(other.told);
    }

    /// Prints a check and counts it.
    pub(crate) fn check(&mut self, check: &Check) {
        check.print();
        self.line(&check.to_string());
    }

    /// Prints what didn't pass, then the counts as the closing line; ends the program if something failed.
    pub(crate) fn close(&self) -> crate::Result<()> {
        println!();
        self.closing().for_each(|line| println!("{line}"));
        println!("{self}");
        match self.failed {
            0 => Ok(()),
            // The closing line said it.
            _ => std::process::exit(1),
        }
    }

    /// What was skipped, then what failed: who has only the end of a long log sees why it is red.
    fn closing(&self) -> impl Iterator<Item = &String> {
        let failed = |line: &&String| line.starts_with("FAILED: ");
        let skipped = self.told.iter().filter(move |line| !failed(line));
        skipped.chain(self.told.iter().filter(failed))
    }

    /// Counts printed checks; other lines don't count.
    pub(crate) fn of_checks(text: &str) -> Self {
        let mut tally = Self::default();
        text.lines().for_each(|line| tally.line(line));
        tally
    }

    /// Counts one printed check.
    fn line(&mut self, line: &str) {
        let count = match line.split(": ").next() {
            Some("ok") => return self.passed += 1,
            Some("FAILED") => &mut self.failed,
            Some("skipped") => &mut self.skipped,
            _ => return,
        };
        *count += 1;
        self.told.push(line.to_owned());
    }

    /// Counts a test program that ended, successfully or not.
    pub(crate) fn of_program(program: &str, text: &str, success: bool) -> Self {
        match (Self::of_harness(program, text), success) {
            (Some(tally), true) => tally,
            (Some(tally), false) if tally.failed > 0 => tally,
            (_, _) => Self::failure(program, "ended without a result"),
        }
    }

    /// Counts what one test program printed; `None` if it printed no result, so didn't get to its end.
    ///
    /// A test that can't run says `skipped: NAME: reason` and returns, which the harness takes for a pass.
    fn of_harness(program: &str, text: &str) -> Option<Self> {
        let mut tally = Self::default();
        let mut results = 0;
        let mut failed: BTreeSet<&str> = BTreeSet::new();
        let mut skipped: BTreeMap<&str, &str> = BTreeMap::new();
        for line in text.lines() {
            let test = line.strip_prefix("test ");
            if let Some(result) = line.strip_prefix("test result: ") {
                results += 1;
                tally.passed += number_before(result, " passed")?;
                tally.failed += number_before(result, " failed")?;
                tally.skipped += number_before(result, " ignored")?;
            } else if let Some(name) = test.and_then(|test| test.strip_suffix(" ... FAILED")) {
                failed.insert(name);
            } else if let Some((name, why)) =
                line.strip_prefix("skipped: ").and_then(|said| said.split_once(": "))
            {
                skipped.insert(name, why);
            }
        }
        skipped.retain(|name, _| !failed.contains(name));
        let moved = skipped.len().min(tally.passed);
        tally.passed -= moved;
        tally.skipped += moved;
        let failures = failed.iter().map(|name| match output_of(name, text) {
            "" => format!("FAILED: {program}: {name}"),
            output => format!("FAILED: {program}: {name}\n{output}"),
        });
        tally.told.extend(failures);
        let lines = skipped.iter().map(|(name, why)| format!("skipped: {program}: {name}: {why}"));
        tally.told.extend(lines);
        (results > 0).then_some(tally)
    }
}

/// The end of what a test printed, as the harness shows it after all tests.
fn output_of<'a>(name: &str, text: &'a str) -> &'a str {
    /// Bytes: enough for a message and what two programs printed.
    const SHOWN: usize = 4000;
    let Some((_, after)) = text.split_once(&format!("---- {name} stdout ----\n")) else {
        return "";
    };
    let end =
        ["\n---- ", "\nfailures:", "\nsuccesses:"].iter().filter_map(|mark| after.find(mark)).min();
    let output = after[..end.unwrap_or(after.len())].trim_end();
    let start = output.char_indices().map(|(at, _)| at).find(|at| output.len() - at <= SHOWN);
    &output[start.unwrap_or(output.len())..]
}

/// The number that stands right before `word`: `ok. 3 passed; 1 failed` has 3 before ` passed`.
fn number_before(text: &str, word: &str) -> Option<usize> {
    text.split(word).next()?.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(tally: &Tally) -> (usize, usize, usize) {
        (tally.passed, tally.failed, tally.skipped)
    }

    #[test]
    fn skipped_tests_are_not_passed_ones() {
        let text = "\ntest a ... ok\nskipped: b: needs root\ntest b ... ok\n\
                    test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n";
        let tally = Tally::of_harness("run", text).unwrap();
        assert_eq!(counts(&tally), (1, 0, 2));
        assert_eq!(tally.told, ["skipped: run: b: needs root"]);
    }

    #[test]
    fn a_test_that_says_so_twice_counts_once_and_one_that_fails_has_failed() {
        let text = "skipped: a: x\nskipped: a: x\nskipped: m::b: x\ntest m::b ... FAILED\n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored;\n";
        let tally = Tally::of_harness("run", text).unwrap();
        assert_eq!(counts(&tally), (0, 1, 1));
        assert_eq!(tally.told, ["FAILED: run: m::b", "skipped: run: a: x"]);
    }

    #[test]
    fn what_failed_comes_last_with_what_it_printed() {
        let text = "test a ... FAILED\nskipped: b: x\ntest b ... ok\n\nfailures:\n\n\
                    ---- a stdout ----\nleft: 1\n\nright: 2\n\n\nfailures:\n    a\n\n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored;\n";
        let tally = Tally::of_harness("run", text).unwrap();
        let closing: Vec<&String> = tally.closing().collect();
        assert_eq!(closing, ["skipped: run: b: x", "FAILED: run: a\nleft: 1\n\nright: 2"]);
    }

    #[test]
    fn only_the_end_of_a_long_output_is_told() {
        let text = format!("---- a stdout ----\n{}é{}\n", "x".repeat(100), "y".repeat(3999));
        assert_eq!(output_of("a", &text), "y".repeat(3999));
        assert_eq!(output_of("b", &text), "");
    }

    #[test]
    fn a_program_without_a_result_has_no_tally() {
        assert_eq!(Tally::of_harness("run", "test a ... ok\n"), None);
    }

    #[test]
    fn checks_are_counted_by_their_first_word() {
        let tally = Tally::of_checks("ok: a: 1\nFAILED: b: 2\nskipped: c: 3\nother: d\n");
        assert_eq!(counts(&tally), (1, 1, 1));
        assert_eq!(tally.told, ["FAILED: b: 2", "skipped: c: 3"]);
    }

    #[test]
    fn the_closing_line() {
        let tally = Tally { passed: 3, skipped: 1, ..Tally::default() };
        assert_eq!(tally.to_string(), "3 passed, 0 failed, 1 skipped");
    }
}
