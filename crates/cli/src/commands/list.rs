//! `coble list`

use std::fmt::Write as _;

use coble_container::State;

use crate::call::Call;
use crate::failure::Failure;
use crate::stdout;
use crate::table::{Command, Flag, ROOT, Values};

pub(crate) const FORMAT: Flag = Flag::value(
    "format",
    Some('f'),
    ("FORMAT", Values::Words(&["table", "json"])),
    "table (default) or json",
);
const QUIET: Flag = Flag::switch("quiet", Some('q'), "print the ids only");

pub(crate) static COMMAND: Command = Command {
    name: "list",
    summary: "list the containers",
    flags: &[FORMAT, QUIET],
    description: &[
        "Lists the containers whose state is in the folder that --root names. One whose state can't be read \
         is passed over with a warning.",
    ],
    examples: &[("Print the ids of all containers", "coble list --quiet")],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let format = Format::of(call)?;
    let states = states(call)?;
    if call.flags.has(&QUIET) {
        let ids: String = states.iter().flat_map(|state| [state.id.as_str(), "\n"]).collect();
        stdout::print(ids.as_bytes())?;
        return Ok(0);
    }
    stdout::print(&match format {
        Format::Table => table(&states).into_bytes(),
        Format::Json => {
            let mut text =
                serde_json::to_vec(&states).map_err(|error| Failure::at("list", error))?;
            text.push(b'\n');
            text
        }
    })?;
    Ok(0)
}

/// The default folder is only made by the first container; one that was asked for has to be there.
fn states(call: &Call) -> Result<Vec<State>, Failure> {
    let root = call.root()?;
    if !call.global.has(&ROOT) && !root.exists() {
        return Ok(Vec::new());
    }
    let (states, warnings) = coble_container::list(&root)?;
    call.warn(&warnings);
    Ok(states)
}

/// The two forms of `list` and `ps`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

impl Format {
    /// What `--format` asks for.
    pub(crate) fn of(call: &Call) -> Result<Self, Failure> {
        match call.flags.text(&FORMAT)? {
            None | Some("table") => Ok(Self::Table),
            Some("json") => Ok(Self::Json),
            Some(_) => Err(Failure::new("invalid format option")),
        }
    }
}

const HEAD: [&str; 6] = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];
/// The least width of a column, and the least space behind a cell, as callers that cut columns know them.
const COLUMN: usize = 12;
const GAP: usize = 3;

fn table(states: &[State]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(states.iter().map(|state| {
        [
            state.id.clone(),
            state.pid.to_string(),
            state.status.to_string(),
            state.bundle.clone(),
            state.created.clone(),
            state.owner.clone(),
        ]
    }));
    aligned(&rows)
}

/// Cells in columns; the last column is not filled up.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count() + GAP);
        cells.max().unwrap_or(0).max(COLUMN)
    });
    let mut text = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(widths).take(N - 1) {
            // Writing to a String can't fail.
            let _ = write!(text, "{cell:width$}");
        }
        text.push_str(&row[N - 1]);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [&str; 3]) -> [String; 3] {
        cells.map(str::to_owned)
    }

    #[test]
    fn columns_are_twelve_wide_or_three_more_than_the_longest_cell() {
        assert_eq!(aligned(&[row(["ID", "PID", "OWNER"])]), "ID          PID         OWNER\n");
        let rows = [row(["ID", "PID", "OWNER"]), row(["a-longer-name", "7", "root"])];
        assert_eq!(
            aligned(&rows),
            "ID              PID         OWNER\na-longer-name   7           root\n"
        );
    }
}
