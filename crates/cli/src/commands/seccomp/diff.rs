//! `coble seccomp diff`

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
    let mut next = Some(0);
    for (number, name) in arch.calls() {
        if let Some(gap) = next.filter(|next| *next < number) {
            of_numbers(text, (gap, number - 1), None, found);
        }
        of_numbers(text, (number, number), Some(name), found);
        next = number.checked_add(1);
    }
    if let Some(gap) = next {
        of_numbers(text, (gap, u32::MAX), None, found);
    }
}

/// What is different about a call, or about numbers that no call has.
fn of_numbers(text: &mut String, own: (u32, u32), name: Option<&str>, found: &[Difference]) {
    let is_own = |one: &&Difference| one.numbers.0 <= own.1 && own.0 <= one.numbers.1;
    let count = found.iter().filter(is_own).count();
    for difference in found.iter().filter(is_own).take(SHOWN) {
        let (first, last) = difference.numbers;
        let title = title((first.max(own.0), last.min(own.1)), name);
        let [old, new] = difference.actions;
        let _ = write!(text, "  {title}: {old} -> {new}");
        let _ = match &difference.conditions[..] {
            [] => writeln!(text),
            conditions => writeln!(text, " if {}", conditions.join(" && ")),
        };
    }
    if count > SHOWN {
        let _ = writeln!(text, "  {}: and {} more", title(own, name), count - SHOWN);
    }
}

fn title((first, last): (u32, u32), name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{name} ({first})"),
        None if first == u32::MAX => "calls that a tracer has left out".to_owned(),
        None if first == last => format!("{first}, which no call has"),
        None => format!("{first} to {last}, which no call has"),
    }
}
