//! `coble seccomp explain`

use std::ffi::OsString;
use std::fmt::Write as _;

use coble_seccomp::{Arch, Asked, Case, Profile, Reason, value};

use super::source::{self, Host, Source, quoted};
use super::{ARCH, CAP, KERNEL, PROFILE};
use crate::call::{Call, text};
use crate::failure::Failure;
use crate::stdout;
use crate::table::{Argument, Command, Count, Flag, Values};

const PROGRAMS_ARCH: Flag = Flag::value(
    ARCH.long,
    None,
    ("ARCH", Values::Any),
    "architecture of the program that makes the call, such as x86 (default: that of this host)",
);

pub(crate) static COMMAND: Command = Command {
    name: "seccomp explain",
    summary: "say what becomes of a system call, and which rule decides it",
    arguments: &[
        PROFILE,
        Argument {
            name: "CALL",
            help: "the call's name or number",
            count: Count::One,
            values: Values::Any,
        },
        Argument {
            name: "ARG=VALUE",
            help: "an argument, from 0 to 5, and its value: a number in decimal or hexadecimal, or names such as \
                   CLONE_NEWUSER or AF_VSOCK, several with | between them",
            count: Count::Many,
            values: Values::Any,
        },
    ],
    flags: &[PROGRAMS_ARCH, CAP, KERNEL],
    description: &[
        "Prints the action that the filter takes for a call and why: the rule that decides, with its place in the file (a \
         JSON pointer) and its conditions; the default action; that the call is newer than all that the profile knows; or \
         that the program's architecture isn't let through.",
        "Where the answer depends on arguments that aren't given, every rule that could decide is listed with what its \
         arguments would have to be: the first one that holds decides.",
        "A program of another architecture than the host's kernel can run is asked about on a kernel of its own.",
    ],
    examples: &[
        ("Ask whether programs can be traced", "coble seccomp explain default ptrace"),
        (
            "Ask why a user namespace can't be made",
            "coble seccomp explain /srv/web clone 0=CLONE_NEWUSER|SIGCHLD",
        ),
        (
            "Ask about a 32-bit program's sockets",
            "coble seccomp explain default socket 0=AF_ALG --arch x86",
        ),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let [word, name, args @ ..] = &call.arguments[..] else {
        return Err(Failure::new("explain needs a profile and a call"));
    };
    let given = call.flags.text(&PROGRAMS_ARCH)?;
    let arch = given.map_or(Ok(Arch::NATIVE), source::arch)?;
    let host = Host::with_arch(call, kernel_of(arch))?;
    let source = Source::read(word, &host)?;
    let profile = source.profile(host.arch)?;
    // What can't be compiled decides nothing.
    source.compile(&profile)?;
    let (number, known) = find(text(name, "CALL")?, arch)?;
    let asked = Asked { arch, number, args: arguments(args)? };
    let mut answer = String::new();
    let title = known.map_or_else(|| format!("call {number}"), |name| format!("{name} ({number})"));
    describe(&mut answer, &source, &profile, &asked, &title);
    if let Some((gate, number, argument)) = known.and_then(|name| arch.gate(name)) {
        let mut args = [None; 6];
        args[0] = Some(argument.into());
        let title = format!("the same through {gate} ({number})");
        describe(&mut answer, &source, &profile, &Asked { arch, number, args }, &title);
    }
    stdout::print(answer.as_bytes())?;
    Ok(0)
}

/// The architecture of a kernel that runs such programs: this host's if it does.
fn kernel_of(arch: Arch) -> Arch {
    let runs: &[Arch] = match Arch::NATIVE {
        Arch::X86_64 => &[Arch::X86_64, Arch::X86, Arch::X32],
        _ => &[Arch::AARCH64, Arch::ARM],
    };
    if runs.contains(&arch) { Arch::NATIVE } else { arch }
}

/// A call's number, and its name if it has one.
fn find(call: &str, arch: Arch) -> Result<(u32, Option<&'static str>), Failure> {
    if call.starts_with(|first: char| first.is_ascii_digit()) {
        let number = value(call).and_then(|number| u32::try_from(number).ok());
        let number =
            number.ok_or_else(|| Failure::new(format!("{} is no number", quoted(call))))?;
        return Ok((number, arch.call(number)));
    }
    if let Some(number) = arch.number(call) {
        return Ok((number, arch.call(number)));
    }
    let is_known = Arch::all().any(|other| other.number(call).is_some());
    Err(Failure::new(match is_known {
        true => format!("{} is no system call on {}", quoted(call), arch.name()),
        false => format!("{} is no system call", quoted(call)),
    }))
}

fn arguments(words: &[OsString]) -> Result<[Option<u64>; 6], Failure> {
    let mut args = [None; 6];
    for word in words {
        let word = text(word, "ARG=VALUE")?;
        let wrong = |what: &str| Failure::new(format!("{}: {what}", quoted(word)));
        let (name, given) =
            word.split_once('=').ok_or_else(|| wrong("not ARG=VALUE, as in 0=5"))?;
        let index: usize = match name.strip_prefix("arg").unwrap_or(name) {
            index @ ("0" | "1" | "2" | "3" | "4" | "5") => index.parse().unwrap_or_default(),
            _ => return Err(wrong("arguments are 0 to 5")),
        };
        let given =
            value(given).ok_or_else(|| wrong("the value is no number and no known name"))?;
        if args[index].replace(given).is_some() {
            return Err(wrong("the argument is there twice"));
        }
    }
    Ok(args)
}

fn describe(text: &mut String, source: &Source, profile: &Profile<'_>, asked: &Asked, title: &str) {
    let arch = asked.arch.name();
    let cases = profile.explain(asked);
    if let [case] = &cases[..] {
        let _ = writeln!(text, "{title} on {arch}: {}", case.action);
        let _ = writeln!(text, "  {}", reason(source, profile, asked, case));
        return;
    }
    let _ = writeln!(text, "{title} on {arch} depends on its arguments:");
    for case in &cases {
        let open = match &case.open[..] {
            [] => "otherwise".to_owned(),
            open => format!("if {}", open.join(" && ")),
        };
        let _ = writeln!(text, "  {open}: {}", case.action);
        let _ = writeln!(text, "    {}", reason(source, profile, asked, case));
    }
}

fn reason(source: &Source, profile: &Profile<'_>, asked: &Asked, case: &Case) -> String {
    match case.reason {
        Reason::Rule(entry, is_through) => {
            let place = source.pointer(&format!("/syscalls/{entry}"));
            let conditions = match &case.conditions[..] {
                [] => "it has no conditions".to_owned(),
                conditions => format!("its conditions: {}", conditions.join(" && ")),
            };
            let through =
                if is_through { ", for the call that is made through this one" } else { "" };
            format!("the rule {place}{through}; {conditions}")
        }
        Reason::Default => {
            let place = source.pointer("/defaultAction");
            format!("the default action, {place}: no rule applies")
        }
        Reason::Newer => {
            let newest = profile.newest(asked.arch).unwrap_or_default();
            let name = asked.arch.call(newest).unwrap_or("?");
            format!(
                "the profile knows no newer call than {name} ({newest}), so that programs are told there is none"
            )
        }
        Reason::Architecture => {
            "the profile doesn't let calls of this architecture through".to_owned()
        }
        Reason::LeftOut => "a tracer has the call left out, which counts as a call of x32 where the profile names that".to_owned(),
    }
}
