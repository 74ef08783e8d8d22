//! Manual pages in the macros of man(7), from the table.

use std::fmt::{self, Write as _};

use crate::help;
use crate::table::{Argument, Command, Count, Flag, GLOBAL, GROUPS, by_heading, commands};

/// File names and texts of all pages.
pub(crate) fn pages() -> Vec<(String, String)> {
    let mut pages = vec![("coble.1".to_owned(), of_coble())];
    pages.extend(
        commands().map(|command| (format!("coble-{}.1", command.slug()), of_command(command))),
    );
    pages
}

fn of_coble() -> String {
    let mut page = head("coble", help::ABOUT);
    line(
        &mut page,
        ".SH SYNOPSIS\n.B coble\n.RI [ FLAG ]...\\&\n.I COMMAND\n.RI [ ARGUMENT ]...\\&",
    );
    paragraphs(&mut page, help::DESCRIPTION);
    line(&mut page, ".SH COMMANDS");
    for group in GROUPS {
        line(&mut page, &format!(".SS {}", Roff(group.title)));
        for command in group.commands {
            line(&mut page, &format!(".TP\n.BR coble\\-{} (1)", Roff(&command.slug())));
            line(&mut page, &Roff(command.summary).to_string());
        }
    }
    flags(&mut page, GLOBAL.iter());
    examples(&mut page, help::EXAMPLES);
    statuses(&mut page, &[]);
    line(&mut page, ".SH FILES\n.TP\n.I /run/coble\nState of the containers of root.");
    line(
        &mut page,
        ".TP\n.I $XDG_RUNTIME_DIR/coble\nState of a plain user's containers; without that variable\n.IR /tmp/coble-UID .",
    );
    line(&mut page, ".SH ENVIRONMENT\n.TP\n.B XDG_RUNTIME_DIR\nSee FILES.");
    line(
        &mut page,
        ".TP\n.B NOTIFY_SOCKET\nService manager to tell when the program is ready; see",
    );
    line(&mut page, ".BR sd_notify (3).");
    line(&mut page, ".TP\n.BR LISTEN_FDS ,\\~ LISTEN_PID\nDescriptors to pass on; see");
    line(&mut page, ".BR sd_listen_fds (3).");
    see_also(&mut page, "coble");
    page
}

fn of_command(command: &Command) -> String {
    let mut page = head(&format!("coble-{}", command.slug()), command.summary);
    line(&mut page, &format!(".SH SYNOPSIS\n.B coble {}\n.RI [ FLAG ]...\\&", command.name));
    command.arguments.iter().for_each(|argument| line(&mut page, &synopsis(argument)));
    paragraphs(&mut page, command.description);
    if !command.arguments.is_empty() {
        line(&mut page, ".SH ARGUMENTS");
    }
    for argument in command.arguments {
        line(&mut page, &format!(".TP\n.I {}\n{}", Roff(argument.name), Roff(argument.help)));
    }
    flags(&mut page, command.all_flags());
    examples(&mut page, command.examples);
    statuses(&mut page, command.statuses);
    see_also(&mut page, &command.slug());
    page
}

fn head(name: &str, summary: &str) -> String {
    let mut page = String::from(".\\\" Generated from the table of commands.\n");
    let version = env!("CARGO_PKG_VERSION");
    let title = name.to_uppercase();
    line(&mut page, &format!(".TH {} 1 \"\" \"coble {version}\" \"coble manual\"", Roff(&title)));
    line(&mut page, &format!(".SH NAME\n{} \\- {}", Roff(name), Roff(summary)));
    page
}

fn synopsis(argument: &Argument) -> String {
    let name = Roff(argument.name);
    match argument.count {
        Count::One => format!(".I {name}"),
        Count::Optional => format!(".RI [ {name} ]"),
        Count::Many | Count::Rest => format!(".RI [ {name} ]...\\&"),
    }
}

fn paragraphs(page: &mut String, paragraphs: &[&str]) {
    if !paragraphs.is_empty() {
        line(page, ".SH DESCRIPTION");
    }
    for (index, paragraph) in paragraphs.iter().enumerate() {
        if index > 0 {
            line(page, ".PP");
        }
        line(page, &Roff(paragraph).to_string());
    }
}

fn flags<'a>(page: &mut String, flags: impl Iterator<Item = &'a Flag>) {
    line(page, ".SH FLAGS");
    let groups = by_heading(flags);
    let is_one = groups.len() == 1;
    for (heading, flags) in groups {
        match heading {
            "" if is_one => {}
            "" => line(page, ".SS Other flags"),
            heading => line(page, &format!(".SS {}", Roff(heading))),
        }
        flags.into_iter().for_each(|each| flag(page, each));
    }
}

fn flag(page: &mut String, flag: &Flag) {
    let short = flag.short.map_or(String::new(), |short| format!("\\fB\\-{short}\\fP, "));
    let value = match flag.value {
        Some((name, _)) if flag.optional => format!("[=\\fI{}\\fP]", Roff(name)),
        value => value.map_or(String::new(), |(name, _)| format!(" \\fI{}\\fP", Roff(name))),
    };
    line(page, &format!(".TP\n{short}\\fB\\-\\-{}\\fP{value}", Roff(flag.long)));
    let again = if flag.repeat { "; may be given more than once" } else { "" };
    line(page, &format!("{}{again}", Roff(flag.help)));
}

fn examples(page: &mut String, examples: &[(&str, &str)]) {
    if !examples.is_empty() {
        line(page, ".SH EXAMPLES");
    }
    for (what, command) in examples {
        line(page, &format!(".PP\n{}:\n.PP\n.RS\n.nf\n{}\n.fi\n.RE", Roff(what), Roff(command)));
    }
}

fn statuses(page: &mut String, statuses: &[(&str, &str)]) {
    line(page, ".SH \"EXIT STATUS\"");
    if statuses.is_empty() {
        line(page, "0, or 1 after an error, which is one line on standard error.");
    }
    for (status, means) in statuses {
        line(page, &format!(".TP\n.B {}\n{}", Roff(status), Roff(means)));
    }
}

/// The other pages, in the order of the alphabet.
fn see_also(page: &mut String, own: &str) {
    let mut names: Vec<_> = commands().map(Command::slug).collect();
    names.retain(|name| *name != own);
    names.sort_unstable();
    line(page, ".SH \"SEE ALSO\"");
    if own != "coble" {
        line(page, ".BR coble (1),");
    }
    for (index, name) in names.iter().enumerate() {
        let comma = if index + 1 == names.len() { "" } else { "," };
        line(page, &format!(".BR coble\\-{} (1){comma}", Roff(name)));
    }
}

fn line(page: &mut String, text: &str) {
    page.push_str(text);
    page.push('\n');
}

/// Text that troff prints as it is: no backslash, no leading dot or apostrophe acts, dashes and quotes are ASCII.
struct Roff<'a>(&'a str);

impl fmt::Display for Roff<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.starts_with(['.', '\'']) {
            f.write_str("\\&")?;
        }
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str("\\e")?,
                '-' => f.write_str("\\-")?,
                '\'' => f.write_str("\\(aq")?,
                '"' => f.write_str("\\(dq")?,
                '~' => f.write_str("\\(ti")?,
                plain => f.write_char(plain)?,
            }
        }
        Ok(())
    }
}
