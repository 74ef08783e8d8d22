//! What the machine says about the programs that it runs.

use crate::tally::Tally;

/// What comes before a program's name.
const BEGIN: &str = "vm: begin ";

/// What comes after everything else.
const ENDED: &str = "vm: ended";

/// Whether a program was started.
pub(super) fn has_begun(text: &str) -> bool {
    text.lines().any(|line| line.starts_with(BEGIN))
}

/// Whether the machine got to its end.
pub(super) fn has_ended(text: &str) -> bool {
    text.lines().any(|line| line == ENDED)
}

/// Whether root's program of that name ended well.
pub(super) fn succeeded(text: &str, name: &str) -> bool {
    text.lines().any(|line| line == format!("vm: end root: {name} 0"))
}

/// Counts what the machine printed: `vm: begin NAME`, the program's output, `vm: end NAME STATUS`. A program that began
/// and didn't end has failed.
pub(super) fn count(text: &str) -> Tally {
    let mut tally = Tally::default();
    let mut open: Option<(&str, String)> = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(BEGIN) {
            open = Some((name, String::new()));
        } else if let Some((name, status)) =
            line.strip_prefix("vm: end ").and_then(|said| said.rsplit_once(' '))
        {
            if let Some((_, output)) = open.take_if(|(begun, _)| *begun == name) {
                tally.add(of_program(name, &output, status));
            }
        } else if line == ENDED {
            break;
        } else if let Some((_, output)) = &mut open {
            output.push_str(line);
            output.push('\n');
        }
    }
    if let Some((name, _)) = open {
        tally.add(Tally::failure(name, "didn't end"));
    }
    tally
}

/// timeout(1) ends with 124 what took too long.
fn of_program(name: &str, output: &str, status: &str) -> Tally {
    match status {
        "124" | "137" => Tally::failure(name, "hung"),
        _ => Tally::of_program(name, output, status == "0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSED: &str = "test a ... ok\ntest result: ok. 1 passed; 0 failed; 0 ignored;\n";

    fn counts(text: &str) -> (usize, usize, bool) {
        let tally = count(text);
        (tally.passed, tally.failed, has_ended(text))
    }

    #[test]
    fn programs_are_counted_one_by_one() {
        let failed = "test b ... FAILED\ntest result: FAILED. 2 passed; 1 failed; 0 ignored;\n";
        let text = format!(
            "vm: begin root: x\n{PASSED}vm: end root: x 0\nvm: begin plain: y\n{failed}vm: end plain: y 101\n\
             vm: ended\n"
        );
        assert_eq!(counts(&text), (3, 1, true));
        assert_eq!(count(&text).told, ["FAILED: plain: y: b"]);
    }

    #[test]
    fn a_program_without_an_end_has_failed() {
        assert!(has_begun("vm: begin root: x\n") && !has_begun("x vm: begin\n"));
        assert_eq!(counts(&format!("vm: begin root: x\n{PASSED}")), (0, 1, false));
        assert_eq!(
            counts(&format!("vm: begin root: x\n{PASSED}vm: end root: x 124\nvm: ended\n")),
            (0, 1, true)
        );
    }

    #[test]
    fn a_program_that_ends_badly_after_its_result_has_failed() {
        assert_eq!(
            counts(&format!("vm: begin root: x\n{PASSED}vm: end root: x 1\nvm: ended\n")),
            (0, 1, true)
        );
    }
}
