//! What `--help` and `--version` print.

use crate::table::{Argument, Command, Count, Family, Flag, GLOBAL, GROUPS, by_heading};

/// The width of a terminal that nobody has made wider.
const WIDTH: usize = 80;

/// What coble is, for its help and its manual page.
pub(crate) const ABOUT: &str = "a small container engine for Linux";

/// Paragraphs about coble itself.
pub(crate) const DESCRIPTION: &[&str] = &[
    "coble takes an OCI bundle, a folder with a config.json and a root file system, and runs it as a \
     container. People and other programs use it in the same way: Docker, containerd, Podman and CRI-O call \
     it in place of runc.",
];

/// How people begin.
pub(crate) const EXAMPLES: &[(&str, &str)] = &[
    ("Write a configuration and run it", "coble spec && coble run demo"),
    ("Say how to use run", "coble help run"),
];

/// The lines of `coble --version`. Who builds a release sets COBLE_COMMIT.
pub(crate) fn version() -> String {
    let mut text = concat!("coble version ", env!("CARGO_PKG_VERSION"), "\n").to_owned();
    if let Some(commit) = option_env!("COBLE_COMMIT") {
        text += &format!("commit: {commit}\n");
    }
    text + &format!("spec: {}\n", coble_spec::OCI_VERSION)
}

/// Help for coble itself.
pub(crate) fn of_coble() -> String {
    let mut text = format!("coble - {ABOUT}\n\nUsage: {}\n\n", usage(None));
    paragraphs(&mut text, DESCRIPTION);
    // One width for all, so that the summaries stand in one column.
    let names = GROUPS.iter().flat_map(|group| group.commands).map(|command| command.name.len());
    let width = names.max().unwrap_or(0);
    for group in GROUPS {
        let rows =
            group.commands.iter().map(|each| (format!("{:width$}", each.name), each.summary));
        section(&mut text, group.title, rows);
    }
    flags(&mut text, GLOBAL.iter());
    examples(&mut text, EXAMPLES);
    text + "\"coble help COMMAND\" says more about a command.\n"
}

/// Help for the commands that begin with the same word.
pub(crate) fn of_family(family: &Family) -> String {
    let Family { name, summary, description } = family;
    let mut text =
        format!("coble {name} - {summary}\n\nUsage: coble {name} COMMAND [ARGUMENT]...\n\n");
    paragraphs(&mut text, description);
    let rows = family.commands().map(|(word, command)| (word.to_owned(), command.summary));
    section(&mut text, "Commands", rows);
    text + &format!("\"coble help {name} COMMAND\" says more about a command.\n")
}

/// Help for one command.
pub(crate) fn of_command(command: &Command) -> String {
    let (name, summary) = (command.name, command.summary);
    let mut text = format!("coble {name} - {summary}\n\nUsage: {}\n\n", usage(Some(command)));
    paragraphs(&mut text, command.description);
    let arguments = command.arguments.iter();
    section(&mut text, "Arguments", arguments.map(|each| (placeholder(each), each.help)));
    flags(&mut text, command.all_flags());
    examples(&mut text, command.examples);
    let statuses = command.statuses.iter().map(|(status, means)| ((*status).to_owned(), *means));
    section(&mut text, "Exit status", statuses);
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// One line that shows the order of words.
pub(crate) fn usage(command: Option<&Command>) -> String {
    let Some(command) = command else { return "coble [FLAG]... COMMAND [ARGUMENT]...".to_owned() };
    let mut line = format!("coble {} [FLAG]...", command.name);
    for argument in command.arguments {
        line += " ";
        line += &placeholder(argument);
    }
    line
}

/// An argument as the usage line shows it: `ID`, `[SIGNAL]`, `[COMMAND]...`.
fn placeholder(argument: &Argument) -> String {
    match argument.count {
        Count::One => argument.name.to_owned(),
        Count::Optional => format!("[{}]", argument.name),
        Count::Many | Count::Rest => format!("[{}]...", argument.name),
    }
}

/// `-b, --bundle DIR` and what it is for.
fn row(flag: &Flag) -> (String, &'static str) {
    let short = flag.short.map_or("    ".to_owned(), |short| format!("-{short}, "));
    let value = match flag.value {
        Some((name, _)) if flag.optional => format!("[={name}]"),
        value => value.map_or(String::new(), |(name, _)| format!(" {name}")),
    };
    (format!("{short}--{}{value}", flag.long), flag.help)
}

/// All flags, below headings if there are many.
fn flags<'a>(text: &mut String, flags: impl Iterator<Item = &'a Flag>) {
    let groups = by_heading(flags);
    let widest = groups.iter().flat_map(|(_, flags)| flags).map(|flag| row(flag).0.len()).max();
    let width = widest.unwrap_or(0);
    let is_one = groups.len() == 1;
    for (heading, flags) in groups {
        let title = match heading {
            "" if is_one => "Flags",
            "" => "Other flags",
            heading => heading,
        };
        let rows =
            flags.into_iter().map(row).map(|(left, right)| (format!("{left:width$}"), right));
        section(text, title, rows);
    }
}

fn paragraphs(text: &mut String, paragraphs: &[&str]) {
    for paragraph in paragraphs {
        wrap(text, paragraph, 0);
        text.push_str("\n\n");
    }
}

/// A title and two columns below it; nothing if there are no rows.
fn section(text: &mut String, title: &str, rows: impl Iterator<Item = (String, &'static str)>) {
    let rows: Vec<_> = rows.collect();
    let Some(width) = rows.iter().map(|(left, _)| left.chars().count()).max() else { return };
    text.push_str(title);
    text.push_str(":\n");
    for (left, right) in &rows {
        text.push_str(&format!("  {left:width$}  "));
        wrap(text, right, width + 4);
        text.push('\n');
    }
    text.push('\n');
}

fn examples(text: &mut String, examples: &[(&str, &str)]) {
    if examples.is_empty() {
        return;
    }
    text.push_str("Examples:\n");
    for (what, line) in examples {
        text.push_str(&format!("  {what}:\n      {line}\n"));
    }
    text.push('\n');
}

/// Adds words from column `indent` on, and begins each further line there.
fn wrap(text: &mut String, words: &str, indent: usize) {
    let mut column = indent;
    for (index, word) in words.split_whitespace().enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > WIDTH {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if index > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
}
