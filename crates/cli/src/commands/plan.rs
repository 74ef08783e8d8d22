//! `coble plan`

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::create::{self, BUNDLE, NO_NEW_KEYRING, NO_PIVOT, PRESERVE_FDS};
use crate::call::Call;
use crate::failure::Failure;
use crate::stdout;
use crate::table::{Command, Flag};

const JSON: Flag = Flag::switch("json", None, "print JSON: a list of steps");

pub(crate) static COMMAND: Command = Command {
    name: "plan",
    summary: "print what create would do, and do nothing",
    flags: &[BUNDLE, JSON, NO_PIVOT, NO_NEW_KEYRING, PRESERVE_FDS],
    description: &[
        "Prints the steps that lead from config.json to the container's process, in their order and \
         numbered, each with the place in config.json that asks for it, a JSON pointer. A step with no such \
         place is part of every container. ID stands where the container's name would. Nothing on the host \
         is changed.",
    ],
    examples: &[
        ("Print the plan of a bundle", "coble plan --bundle /srv/web"),
        (
            "See what is mounted",
            "coble plan --json | jq -r '.[] | select(.origin | test(\"mounts\")) | .action'",
        ),
    ],
    execute,
    ..Command::DEFAULT
};

/// One step of a plan, in words.
#[derive(Serialize)]
struct Row<'a> {
    /// The first is 1.
    number: usize,
    /// A JSON pointer into config.json, or empty.
    origin: &'a str,
    action: String,
}

fn execute(call: &Call) -> Result<u8, Failure> {
    let plan = coble_container::plan(&create::described(call, PathBuf::new(), "ID")?)?;
    let rows: Vec<Row<'_>> = (1..)
        .zip(plan.iter())
        .map(|(number, (step, origin))| Row { number, origin, action: step.to_string() })
        .collect();
    let text = if call.flags.has(&JSON) { json(&rows)? } else { text(&rows) };
    stdout::print(text.as_bytes())?;
    Ok(0)
}

fn json(rows: &[Row<'_>]) -> Result<String, Failure> {
    serde_json::to_string_pretty(rows)
        .map(|text| text + "\n")
        .map_err(|error| Failure::at("plan", error))
}

/// A line for each step: number, origin, action.
fn text(rows: &[Row<'_>]) -> String {
    let width = rows.iter().map(|row| row.origin.chars().count()).max().unwrap_or(0);
    let digits = rows.len().to_string().len();
    let mut text = String::new();
    for Row { number, origin, action } in rows {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{number:digits$}  {origin:width$}  {action}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row<'static>> {
        let row = |number, origin, action: &str| Row { number, origin, action: action.to_owned() };
        vec![row(1, "", "start a session"), row(2, "/mounts/0", "mount proc on /proc")]
    }

    #[test]
    fn text_is_three_columns() {
        assert_eq!(
            text(&rows()),
            "1             start a session\n2  /mounts/0  mount proc on /proc\n"
        );
        assert_eq!(text(&[]), "");
    }

    #[test]
    fn json_is_a_list_of_steps() {
        let value: serde_json::Value = serde_json::from_str(&json(&rows()).unwrap()).unwrap();
        let expected = serde_json::json!([
            {"number": 1, "origin": "", "action": "start a session"},
            {"number": 2, "origin": "/mounts/0", "action": "mount proc on /proc"},
        ]);
        assert_eq!(value, expected);
    }
}
