//! From the words of the command line to a [`Call`], by the table.

use std::ffi::OsString;

use lexopt::{Arg, Parser};

use crate::call::Call;
use crate::failure::Failure;
use crate::table::{Command, Family, Flag, GLOBAL, HELP, VERSION};

/// What the words ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    /// Do the command.
    Execute,
    /// Say how to use the command, or the family or coble if there is none.
    Help,
    /// Say which version this is.
    Version,
}

/// Reads `words`, without the program's name, into `call`.
///
/// What was read before an error is kept there, so that the error can go where `--log` says.
/// Flags of a command may stand before and after its arguments, as long as the arguments don't belong to
/// another program (`exec`, `ps`, `try`): then the first argument ends them.
pub(crate) fn parse(words: Vec<OsString>, call: &mut Call) -> Result<Wish, Failure> {
    let mut parser = Parser::from_args(words);
    while let Some(word) = parser.next().map_err(from_lexopt)? {
        let Arg::Value(value) = word else {
            let flag = find(&word, call.command)?;
            let long = matches!(word, Arg::Long(_));
            if flag.long == HELP.long {
                return Ok(Wish::Help);
            }
            if flag.long == VERSION.long {
                return Ok(Wish::Version);
            }
            read_flag(&mut parser, flag, long, call)?;
            continue;
        };
        match (call.command, call.family) {
            (None, None) => match Family::named(&value) {
                Some(family) => call.family = Some(family),
                None => call.command = Some(Command::named(&value)?),
            },
            (None, Some(family)) => call.command = Some(family.command(&value)?),
            (Some(command), _) => {
                call.arguments.push(value);
                if command.takes_rest() {
                    read_rest(&mut parser, command, call)?;
                }
            }
        }
    }
    match call.command {
        None => Ok(Wish::Help),
        Some(command) => count(command, call.arguments.len()).map(|()| Wish::Execute),
    }
}

/// The flag that `word` names, in the command's own table or before it in the global one.
fn find(word: &Arg<'_>, command: Option<&'static Command>) -> Result<&'static Flag, Failure> {
    let named = |flag: &&Flag| match word {
        Arg::Long(long) => flag.long == *long,
        Arg::Short(short) => flag.short == Some(*short),
        Arg::Value(_) => false,
    };
    let global = GLOBAL.iter().find(named);
    let Some(command) = command else {
        return global.ok_or_else(|| Failure::new(format!("unknown flag {}", dashed(word))));
    };
    let own = command.flags.iter().find(named).or_else(|| Some(&HELP).filter(named));
    own.ok_or_else(|| {
        let hint = if global.is_some() { ", which stands before the command" } else { "" };
        Failure::new(format!("unknown flag {} of {:?}{hint}", dashed(word), command.name))
    })
}

fn dashed(word: &Arg<'_>) -> String {
    match word {
        Arg::Long(long) => format!("--{long}"),
        Arg::Short(short) => format!("-{short}"),
        Arg::Value(value) => value.to_string_lossy().into_owned(),
    }
}

/// Reads the flag's value. A switch takes one only behind `=`: `--detach=false`, as callers from Go write it.
fn read_flag(
    parser: &mut Parser,
    flag: &'static Flag,
    long: bool,
    call: &mut Call,
) -> Result<(), Failure> {
    let given = if call.command.is_some() { &mut call.flags } else { &mut call.global };
    if flag.optional {
        given.set(flag, parser.optional_value().unwrap_or_default());
        return Ok(());
    }
    if flag.value.is_some() {
        let value =
            parser.value().map_err(|_| Failure::new(format!("flag {flag} needs a value")))?;
        given.set(flag, value);
        return Ok(());
    }
    let value = if long { parser.optional_value() } else { None };
    match value.as_ref().map(|value| value.to_str()) {
        None | Some(Some("true" | "True" | "TRUE" | "t" | "T" | "1")) => {
            given.set(flag, OsString::new());
        }
        Some(Some("false" | "False" | "FALSE" | "f" | "F" | "0")) => given.unset(flag),
        Some(other) => {
            let word = other.unwrap_or("");
            return Err(Failure::new(format!(
                "invalid value {word:?} for {flag}: not true or false"
            )));
        }
    }
    Ok(())
}

/// Takes what belongs to another program, unread. One `--` right before it is only a mark.
fn read_rest(parser: &mut Parser, command: &Command, call: &mut Call) -> Result<(), Failure> {
    let mut rest = parser.raw_args().map_err(from_lexopt)?;
    if call.arguments.len() < command.arguments.len()
        && rest.peek().is_some_and(|word| word == "--")
    {
        rest.next();
    }
    call.arguments.extend(rest);
    Ok(())
}

/// Checks the number of arguments, in the words that callers of other runtimes know.
fn count(command: &Command, given: usize) -> Result<(), Failure> {
    let least = command.least();
    let (bound, limit) = match command.most() {
        Some(most) if most == least && given != least => ("exactly", least),
        _ if given < least => ("a minimum of", least),
        Some(most) if given > most => ("a maximum of", most),
        _ => return Ok(()),
    };
    Err(Failure::new(format!("{:?} requires {bound} {limit} argument(s)", command.name)))
}

fn from_lexopt(error: lexopt::Error) -> Failure {
    Failure::new(error.to_string())
}

#[cfg(test)]
mod tests;
