//! `coble seccomp diff`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use coble_seccomp::{Arch, Difference, differences};

use super::source::{Host, Source};
use super::{ARCH, CAP, KERNEL, PROFILE};
use crate::call::Call;
use crate::failure::Failure;
use crate::stdout;
use crate::table::{Argument, Command, TROUBLE};

pub(crate) static COMMAND: Command = Command {
    name: "seccomp diff",
    summary: "say which system calls end otherwise under another profile",
    arguments: &[
        Argument { name: "OLD", ..PROFILE },
        Argument {
            name: "NEW",
            help: "the profile to compare it with, in one of the same forms",
            ..PROFILE
        },
    ],
    flags: &[CAP, KERNEL, ARCH],
    description: &[
        "Compares the effect of two profiles, not their text: both are compiled, and both programs are followed along every \
         way that a call can take. Nothing is left to examples: where no difference is printed there is none, whatever the \
         call's number and arguments are.",
        "Each line has a call, what becomes of it under OLD and under NEW, and, where only some arguments make a difference, \
         what these are. Profiles in the engines' format are both taken for the same capabilities and the same host.",
    ],
    examples: &[
        (
            "See what a profile of one's own adds to the default",
            "coble seccomp diff default profile.json",
        ),
        ("See what has changed between two versions", "coble seccomp diff old.json new.json"),
        ("See what the default denies", "coble seccomp diff unconfined default"),
    ],
    statuses: &[("0", "both have the same effect"), ("1", "there are differences"), TROUBLE],
    execute,
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let [old, new] = &call.arguments[..] else {
        return Err(Failure::new("diff needs two profiles"));
    };
    let host = Host::of(call)?;
    let sources = [Source::read(old, &host)?, Source::read(new, &host)?];
    let [old, new] = &sources;
    let profiles = [old.profile(host.arch)?, new.profile(host.arch)?];
    let programs = [old.compile(&profiles[0])?, new.compile(&profiles[1])?];
    let mut archs = profiles[0].archs().to_vec();
    archs.extend(profiles[1].archs().iter().filter(|arch| !profiles[0].archs().contains(arch)));
    let mut text = String::new();
    for arch in archs {
        let found = differences(&programs[0], &programs[1], arch).map_err(|_| {
            Failure::new(format!(
                "{} and {}: too complex to be compared on {}",
                old.name,
                new.name,
                arch.name()
            ))
        })?;
        if found.is_empty() {
            continue;
        }
        let knows = [0, 1].map(|which: usize| profiles[which].archs().contains(&arch));
        match knows {
            [true, true] => of_arch(&mut text, arch, &found),
            [is_old, _] => {
                let which = if is_old { &old.name } else { &new.name };
                let _ = writeln!(text, "{}\n  only {which} lets calls of it through", arch.name());
            }
        }
    }
    stdout::print(text.as_bytes())?;
    Ok(u8::from(!text.is_empty()))
}

/// How many sets of arguments are listed of one call.
const SHOWN: usize = 8;

fn of_arch(text: &mut String, arch: Arch, found: &[Difference]) {
    let _ = writeln!(text, "{}", arch.name());
    let calls = arch.calls();
    // By the lowest number, and with the calls of one range one after the other.
    let mut lines = BTreeMap::<(u32, String), Vec<&Difference>>::new();
    for difference in found {
        for (number, title) in titles(&calls, difference.numbers) {
            lines.entry((number, title)).or_default().push(difference);
        }
    }
    for ((_, title), differences) in lines {
        for difference in differences.iter().take(SHOWN) {
            let [old, new] = difference.actions;
            let _ = write!(text, "  {title}: {old} -> {new}");
            let _ = match &difference.conditions[..] {
                [] => writeln!(text),
                conditions => writeln!(text, " if {}", conditions.join(" && ")),
            };
        }
        if let Some(more) = differences.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            let _ = writeln!(text, "  {title}: and for {more} more sets of arguments");
        }
    }
}

/// The calls of a range of numbers, and the numbers between them that no call has.
fn titles(calls: &[(u32, &str)], (first, last): (u32, u32)) -> Vec<(u32, String)> {
    let mut titles = Vec::new();
    let mut next = Some(first);
    let start = calls.partition_point(|(number, _)| *number < first);
    for (number, name) in calls[start..].iter().take_while(|(number, _)| *number <= last) {
        if let Some(gap) = next.filter(|next| next < number) {
            titles.push(between(gap, number - 1));
        }
        titles.push((*number, format!("{name} ({number})")));
        next = number.checked_add(1);
    }
    if let Some(gap) = next.filter(|next| *next <= last) {
        titles.push(between(gap, last));
    }
    titles
}

fn between(first: u32, last: u32) -> (u32, String) {
    let numbers = match (first, last) {
        (u32::MAX, _) => "calls that a tracer has left out".to_owned(),
        _ if first == last => format!("{first}, which no call has"),
        _ => format!("{first} to {last}, which no call has"),
    };
    (first, numbers)
}
