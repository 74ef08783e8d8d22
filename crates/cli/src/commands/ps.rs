//! `coble ps`

use std::process;

use super::list::{FORMAT, Format};
use crate::call::Call;
use crate::failure::Failure;
use crate::stdout;
use crate::table::{Argument, Command, Count, ID, Values};

pub(crate) static COMMAND: Command = Command {
    name: "ps",
    summary: "list the processes of a container",
    arguments: &[
        ID,
        Argument {
            name: "OPTION",
            help: "for ps(1) (default: -ef)",
            count: Count::Rest,
            values: Values::Any,
        },
    ],
    flags: &[FORMAT],
    description: &[
        "Runs ps(1) of the host with the given options and prints its head and the lines of the container's \
         processes; the options must leave the column PID in place. With --format json it prints a list of \
         process ids instead, as the host numbers them.",
    ],
    examples: &[
        ("Show the processes of the container web", "coble ps web"),
        ("Show their memory", "coble ps web -eo pid,rss,args"),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let format = Format::of(call)?;
    let pids = coble_container::processes(&call.root()?, call.id()?)?;
    let text = match format {
        Format::Table => select(&run_ps(call)?, &pids)?,
        Format::Json => {
            let list = serde_json::to_string(&pids).map_err(|error| Failure::at("ps", error))?;
            list + "\n"
        }
    };
    stdout::print(text.as_bytes())?;
    Ok(0)
}

/// What ps(1) prints with the options given.
fn run_ps(call: &Call) -> Result<String, Failure> {
    let mut ps = process::Command::new("ps");
    match &call.arguments[1..] {
        [] => ps.arg("-ef"),
        options => ps.args(options),
    };
    let output = ps.output().map_err(|error| Failure::io("ps(1)", &error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let why = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("").trim();
        return Err(Failure::new(format!("ps(1): {}: {why}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The head and the lines whose column PID has one of `pids`.
fn select(text: &str, pids: &[i32]) -> Result<String, Failure> {
    let head = text.lines().next().unwrap_or("");
    let column =
        Column::of(head).ok_or_else(|| Failure::new("couldn't find PID field in ps output"))?;
    let mut selected = format!("{head}\n");
    for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let pid = column
            .number(line)
            .ok_or_else(|| Failure::new(format!("unable to parse pid in {line:?}")))?;
        if pids.contains(&pid) {
            selected.push_str(line);
            selected.push('\n');
        }
    }
    Ok(selected)
}

/// Where a table has the pids.
struct Column {
    /// How many columns stand before it.
    index: usize,
    /// How many characters of the head there are up to its end: numbers are aligned to the right.
    end: usize,
}

impl Column {
    fn of(head: &str) -> Option<Self> {
        let index = head.split_whitespace().position(|title| title == "PID")?;
        let mut rest = head;
        for title in head.split_whitespace().take(index + 1) {
            let at = rest.find(title)?;
            rest = &rest[at + title.len()..];
        }
        let end = head.chars().count() - rest.chars().count();
        Some(Self { index, end })
    }

    /// A name before it may have spaces; and where something before it is too long, all that follows is moved.
    fn number(&self, line: &str) -> Option<i32> {
        let end = line.char_indices().nth(self.end).map_or(line.len(), |(at, _)| at);
        let (before, after) = line.split_at(end);
        let aligned = before.rsplit(char::is_whitespace).next()?.parse().ok();
        let is_whole = after.chars().next().is_none_or(char::is_whitespace);
        aligned
            .filter(|_| is_whole)
            .or_else(|| line.split_whitespace().nth(self.index)?.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_may_stand_before_the_pid() {
        let text = "COMMAND             PID    PPID\nsh                   12       1\n\
                    podman 7 pause    21201   21040\ntwö words         21201       1\n";
        let lines: Vec<&str> = text.lines().collect();
        let selected = select(text, &[21201, 7]).unwrap();
        assert_eq!(selected, format!("{}\n{}\n{}\n", lines[0], lines[2], lines[3]));
    }

    #[test]
    fn a_line_may_be_moved_by_what_is_too_long() {
        let text = "UID   PID  PPID CMD\na-long-name   12     1 sh\nroot 1234567 12 sh\n";
        assert_eq!(select(text, &[12]).unwrap().lines().count(), 2);
        assert_eq!(select(text, &[1234567]).unwrap().lines().count(), 2);
    }

    const TEXT: &str = "UID   PID  PPID CMD\nroot    1     0 init\nroot   12     1 sh -c 1\n\n";

    #[test]
    fn only_the_containers_lines_are_left() {
        assert_eq!(
            select(TEXT, &[12, 99]).unwrap(),
            "UID   PID  PPID CMD\nroot   12     1 sh -c 1\n"
        );
        assert_eq!(select(TEXT, &[]).unwrap(), "UID   PID  PPID CMD\n");
    }

    #[test]
    fn a_table_without_pids_is_refused() {
        for text in ["", "UID CMD\nroot init\n", "CMD PID\nsh -c x\n"] {
            assert!(select(text, &[1]).is_err(), "{text:?}");
        }
    }
}
