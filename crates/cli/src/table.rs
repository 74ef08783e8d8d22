//! The table of commands: the one place from which parsing, help, manual pages and completions come.

use std::ffi::OsStr;

use crate::call::Call;
use crate::commands;
use crate::failure::Failure;

/// One command, as data and the function that does it.
pub(crate) struct Command {
    /// What is typed: one word, or that of a [`Family`] and one more.
    pub(crate) name: &'static str,
    /// One line without a full stop.
    pub(crate) summary: &'static str,
    /// What follows the flags, in order.
    pub(crate) arguments: &'static [Argument],
    /// Its own flags; [`HELP`] goes without saying.
    pub(crate) flags: &'static [Flag],
    /// Paragraphs.
    pub(crate) description: &'static [&'static str],
    /// What it is for and the line to type.
    pub(crate) examples: &'static [(&'static str, &'static str)],
    /// Exit statuses that differ from "0, or 1 after an error".
    pub(crate) statuses: &'static [(&'static str, &'static str)],
    /// Does it; the number is the exit status.
    pub(crate) execute: fn(&Call) -> Result<u8, Failure>,
}

impl Command {
    /// What most commands have in common, to be overridden with `..Command::DEFAULT`.
    pub(crate) const DEFAULT: Self = Self {
        name: "",
        summary: "",
        arguments: &[],
        flags: &[],
        description: &[],
        examples: &[],
        statuses: &[],
        execute: |_| Ok(0),
    };

    /// The command of that name.
    pub(crate) fn named(name: &OsStr) -> Result<&'static Self, Failure> {
        // As runc's.
        let name = if name == "h" { OsStr::new(commands::help::COMMAND.name) } else { name };
        let command = commands().find(|command| name == command.name);
        command.ok_or_else(|| match NOT_YET.iter().find(|not_yet| name == **not_yet) {
            Some(name) => Failure::new(format!("{name}: checkpoints are not supported yet")),
            None => Failure::new(format!(
                "unknown command: No help topic for '{}', see \"coble help\"",
                name.display()
            )),
        })
    }

    /// The exit status of a failure, bad usage among them, that would have this one with most commands.
    pub(crate) fn failed(&self, status: u8) -> u8 {
        if self.statuses.contains(&TROUBLE) { 2 } else { status }
    }

    /// Its name as one word, for files and scripts.
    pub(crate) fn slug(&self) -> String {
        self.name.replace(' ', "-")
    }

    /// Its own flags and [`HELP`].
    pub(crate) fn all_flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.flags.iter().chain([&HELP])
    }

    /// How many arguments must be there.
    pub(crate) fn least(&self) -> usize {
        self.arguments.iter().filter(|argument| argument.count == Count::One).count()
    }

    /// How many arguments may be there; `None` for any number.
    pub(crate) fn most(&self) -> Option<usize> {
        let last = self.arguments.last().map(|argument| argument.count);
        (!matches!(last, Some(Count::Many | Count::Rest))).then_some(self.arguments.len())
    }

    /// Whether what follows the first argument is for another program, flags and all.
    pub(crate) fn takes_rest(&self) -> bool {
        self.arguments.last().is_some_and(|argument| argument.count == Count::Rest)
    }
}

/// What a command has among its statuses for which 1 is an answer, as with diff(1).
pub(crate) const TROUBLE: (&str, &str) = ("2", "an error, which is one line on standard error");

/// Commands that begin with the same word.
pub(crate) struct Family {
    /// The word.
    pub(crate) name: &'static str,
    /// One line without a full stop.
    pub(crate) summary: &'static str,
    /// Paragraphs.
    pub(crate) description: &'static [&'static str],
}

/// Every family.
pub(crate) static FAMILIES: &[&Family] = &[&commands::seccomp::FAMILY];

impl Family {
    /// The family with this word.
    pub(crate) fn named(name: &OsStr) -> Option<&'static Self> {
        FAMILIES.iter().copied().find(|family| name == family.name)
    }

    /// Its command with this second word.
    pub(crate) fn command(&self, word: &OsStr) -> Result<&'static Command, Failure> {
        let found = self.commands().find(|(second, _)| word == *second);
        found.map(|(_, command)| command).ok_or_else(|| {
            let (name, word) = (self.name, word.display());
            Failure::new(format!(
                "unknown command: No help topic for '{name} {word}', see \"coble help {name}\""
            ))
        })
    }

    /// The second words and the commands, in the order of help.
    pub(crate) fn commands(&self) -> impl Iterator<Item = (&'static str, &'static Command)> {
        commands().filter_map(|command| match command.name.split_once(' ') {
            Some((first, second)) if first == self.name => Some((second, command)),
            _ => None,
        })
    }
}

/// What can be typed as the first word and what it is for, in the order of help: a family stands where its first
/// command does.
pub(crate) fn first_words() -> Vec<(&'static str, &'static str)> {
    let mut words: Vec<(&str, &str)> = Vec::new();
    for command in commands() {
        let word = match command.name.split_once(' ') {
            None => (command.name, command.summary),
            Some((first, _)) => match Family::named(OsStr::new(first)) {
                Some(family) => (family.name, family.summary),
                None => continue,
            },
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// One argument of a command.
pub(crate) struct Argument {
    /// Its name in capitals.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) help: &'static str,
    /// How often it is there.
    pub(crate) count: Count,
    /// What a shell offers for it.
    pub(crate) values: Values,
}

/// The argument of every command that is about one container.
pub(crate) const ID: Argument = Argument {
    name: "ID",
    help: "name of the container",
    count: Count::One,
    values: Values::Container,
};

/// How often an argument is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// Once.
    One,
    /// Once or not at all.
    Optional,
    /// Any number of times.
    Many,
    /// This and all that follows belongs to another program.
    Rest,
}

/// A flag of a command or of coble itself.
pub(crate) struct Flag {
    /// Without the two dashes.
    pub(crate) long: &'static str,
    /// Without the dash.
    pub(crate) short: Option<char>,
    /// The name of its value in capitals and what a shell offers for it; `None` for a switch.
    pub(crate) value: Option<(&'static str, Values)>,
    /// One line without a full stop.
    pub(crate) help: &'static str,
    /// Whether it may be given without its value, which stands behind `=` then.
    pub(crate) optional: bool,
    /// Whether it may be given more than once with all values kept; else the last one counts.
    pub(crate) repeat: bool,
    /// What it is about, as a heading in the help of a command with many flags; empty for the rest.
    pub(crate) heading: &'static str,
}

impl Flag {
    /// A flag without a value.
    pub(crate) const fn switch(
        long: &'static str,
        short: Option<char>,
        help: &'static str,
    ) -> Self {
        Self { long, short, value: None, help, optional: false, repeat: false, heading: "" }
    }

    /// A flag with a value.
    pub(crate) const fn value(
        long: &'static str,
        short: Option<char>,
        value: (&'static str, Values),
        help: &'static str,
    ) -> Self {
        let value = Some(value);
        Self { long, short, value, help, optional: false, repeat: false, heading: "" }
    }

    /// The same flag, which may be given without its value.
    pub(crate) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The same flag, with every value kept.
    pub(crate) const fn repeated(self) -> Self {
        Self { repeat: true, ..self }
    }

    /// The same flag below a heading.
    pub(crate) const fn under(self, heading: &'static str) -> Self {
        Self { heading, ..self }
    }
}

/// From how many flags on, without [`HELP`], they stand below headings.
const MANY_FLAGS: usize = 7;

/// Flags in the order given, by their headings; those without one come last. Few flags have no heading.
pub(crate) fn by_heading<'a>(
    flags: impl Iterator<Item = &'a Flag>,
) -> Vec<(&'static str, Vec<&'a Flag>)> {
    let flags: Vec<_> = flags.collect();
    if flags.len() <= MANY_FLAGS {
        return vec![("", flags)];
    }
    let mut groups: Vec<(&str, Vec<&Flag>)> = Vec::new();
    for flag in flags {
        match groups.iter_mut().find(|(heading, _)| *heading == flag.heading) {
            Some((_, group)) => group.push(flag),
            None => groups.push((flag.heading, vec![flag])),
        }
    }
    // A stable sort: the others stay as they are.
    groups.sort_by_key(|(heading, _)| heading.is_empty());
    groups
}

/// What a shell offers in place of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Values {
    /// Nothing: the value is free.
    Any,
    /// Files.
    File,
    /// Folders.
    Directory,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Containers, from `coble list --quiet`.
    Container,
    /// Signals.
    Signal,
    /// Commands of coble.
    Command,
}

const ABOUT_LOG: &str = "Errors and logs";
const ABOUT_PLACES: &str = "State and cgroups";

pub(crate) const DEBUG: Flag =
    Flag::switch("debug", None, "log what is done, too").under(ABOUT_LOG);
pub(crate) const LOG: Flag =
    Flag::value("log", None, ("FILE", Values::File), "append log entries to FILE").under(ABOUT_LOG);
pub(crate) const LOG_FORMAT: Flag = Flag::value(
    "log-format",
    None,
    ("FORMAT", Values::Words(&["text", "json"])),
    "form of log entries: text (default) or json",
)
.under(ABOUT_LOG);
pub(crate) const ROOT: Flag = Flag::value(
    "root",
    None,
    ("DIR", Values::Directory),
    "folder of the containers' state (default: /run/coble; for a plain user $XDG_RUNTIME_DIR/coble, else /tmp/coble-UID)",
)
.under(ABOUT_PLACES);
pub(crate) const SYSTEMD_CGROUP: Flag = Flag::switch(
    "systemd-cgroup",
    None,
    "let systemd make the cgroups; cgroupsPath is slice:prefix:name then",
)
.under(ABOUT_PLACES);
pub(crate) const CGROUP_MANAGER: Flag = Flag::value(
    "cgroup-manager",
    None,
    ("MANAGER", Values::Words(&["cgroupfs", "systemd", "disabled"])),
    "who makes the cgroups: cgroupfs (default), systemd (as --systemd-cgroup), or disabled for none",
)
.under(ABOUT_PLACES);
pub(crate) const ROOTLESS: Flag = Flag::value(
    "rootless",
    None,
    ("MODE", Values::Words(&["true", "false", "auto"])),
    "do without a cgroup for want of rights: true, false, or auto (default: if the caller is not root)",
)
.under(ABOUT_PLACES);
pub(crate) const VERSION: Flag = Flag::switch("version", Some('v'), "print the version and exit");

/// The flag that every command and coble itself have.
pub(crate) const HELP: Flag = Flag::switch("help", Some('h'), "print help and exit");

/// The flags that stand before the command.
pub(crate) static GLOBAL: &[Flag] =
    &[DEBUG, LOG, LOG_FORMAT, ROOT, CGROUP_MANAGER, SYSTEMD_CGROUP, ROOTLESS, HELP, VERSION];

/// Commands that serve one purpose.
pub(crate) struct Group {
    /// Stands above them in help and in the manual.
    pub(crate) title: &'static str,
    /// In the order of help.
    pub(crate) commands: &'static [&'static Command],
}

/// Every command, by its purpose, in the order of help.
pub(crate) static GROUPS: &[Group] = &[
    Group {
        title: "Begin",
        commands: &[&commands::try_::COMMAND, &commands::spec::COMMAND, &commands::plan::COMMAND],
    },
    Group {
        title: "Run containers",
        commands: &[
            &commands::run::COMMAND,
            &commands::create::COMMAND,
            &commands::start::COMMAND,
            &commands::exec::COMMAND,
        ],
    },
    Group {
        title: "Look at containers",
        commands: &[
            &commands::list::COMMAND,
            &commands::state::COMMAND,
            &commands::ps::COMMAND,
            &commands::events::COMMAND,
        ],
    },
    Group {
        title: "Change and end containers",
        commands: &[
            &commands::kill::COMMAND,
            &commands::pause::COMMAND,
            &commands::resume::COMMAND,
            &commands::update::COMMAND,
            &commands::mounts::COMMAND,
            &commands::delete::COMMAND,
        ],
    },
    Group {
        title: "Look at filters of system calls",
        commands: &[
            &commands::seccomp::check::COMMAND,
            &commands::seccomp::explain::COMMAND,
            &commands::seccomp::diff::COMMAND,
            &commands::seccomp::convert::COMMAND,
            &commands::seccomp::disasm::COMMAND,
            &commands::seccomp::denied::COMMAND,
            &commands::seccomp::record::COMMAND,
        ],
    },
    Group {
        title: "About coble",
        commands: &[
            &commands::features::COMMAND,
            &commands::completion::COMMAND,
            &commands::help::COMMAND,
        ],
    },
];

/// Commands of other runtimes that people may look for, and that are not there yet.
const NOT_YET: [&str; 2] = ["checkpoint", "restore"];

/// Every command, in the order of help.
pub(crate) fn commands() -> impl Iterator<Item = &'static Command> {
    GROUPS.iter().flat_map(|group| group.commands.iter().copied())
}

impl std::fmt::Display for Flag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "--{}", self.long)
    }
}
