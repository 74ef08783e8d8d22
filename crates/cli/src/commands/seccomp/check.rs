//! `coble seccomp check`

use std::fmt::Write as _;

use coble_container::{ExampleHost, example, validate};
use coble_seccomp::{Arch, Data, MAX_INSTRUCTIONS, Overruled, Profile, Program, Survey};
use serde_json::{Value, json};

use super::source::{Host, Source, quoted};
use super::{ARCH, CAP, KERNEL, PROFILE};
use crate::call::Call;
use crate::failure::Failure;
use crate::stdout;
use crate::table::{Command, Flag, Values};

const FORMAT: Flag = Flag::value(
    "format",
    Some('f'),
    ("FORMAT", Values::Words(&["text", "json"])),
    "form of the output: text (default) or json",
);

pub(crate) static COMMAND: Command = Command {
    name: "seccomp check",
    summary: "check a profile, and say what it lets through",
    arguments: &[PROFILE],
    flags: &[FORMAT, CAP, KERNEL, ARCH],
    description: &[
        "Checks that coble could run a container under the profile, and says what the profile comes to: for each \
         architecture how many system calls always end in which way, which ones depend on their arguments, and from \
         where on calls are too new for the profile; names that are no call's; rules whose order other runtimes take differently; and how many instructions the filter has.",
        "Then it lists what is let through and worth a thought: calls through which containers have been left, or that \
         reach parts of the kernel where flaws are found again and again, each with the reason and the capability that \
         it takes besides. They are no errors: a container may need them.",
        "What is wrong is an error with its place in the file, a JSON pointer.",
    ],
    examples: &[
        ("Look at a profile", "coble seccomp check profile.json"),
        ("See what one more capability opens", "coble seccomp check default --cap SYS_PTRACE"),
        (
            "List the holes of a bundle's filter",
            "coble seccomp check --format json /srv/web | jq '.architectures[0].holes[].call'",
        ),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let is_json = match call.flags.text(&FORMAT)? {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => {
            return Err(Failure::new(format!(
                "invalid value {other:?} for {FORMAT}: not text or json"
            )));
        }
    };
    let host = Host::of(call)?;
    let source = Source::read(call.arguments.first().map_or("".as_ref(), |word| word), &host)?;
    let profile = source.profile(host.arch)?;
    let program = source.compile(&profile)?;
    accepted(&source, &program, host.arch)?;
    let text = if is_json {
        let value = to_json(&source, &profile, &program);
        serde_json::to_string_pretty(&value).map_err(|error| Failure::at("check", error))? + "\n"
    } else {
        to_text(&source, &profile, &program)
    };
    stdout::print(text.as_bytes())?;
    Ok(0)
}

/// What `create` would refuse.
fn accepted(source: &Source, program: &Program, arch: Arch) -> Result<(), Failure> {
    const SECTION: &str = "/linux/seccomp";
    let mut spec = example(ExampleHost::default());
    if let Some(linux) = &mut spec.linux {
        linux.seccomp = Some(source.section().clone().into());
    }
    validate(&spec).map_err(|invalid| {
        let pointer = invalid.pointer.strip_prefix(SECTION).unwrap_or(&invalid.pointer);
        let place = source.pointer(pointer);
        Failure::new(format!("{}: {place}: {}", source.name, invalid.reason))
    })?;
    let number = arch.number("execve").unwrap_or_default();
    let answer = program.answer(&Data { arch, number, args: [1; 6] });
    match answer.is_none_or(coble_seccomp::Action::is_denial) {
        true => Err(Failure::new(format!(
            "{}: no program can be run, for execve(2) is denied",
            source.name
        ))),
        false => Ok(()),
    }
}

fn to_text(source: &Source, profile: &Profile<'_>, program: &Program) -> String {
    let count = program.instructions().len();
    let mut text = format!(
        "{}: valid\ndefault action: {}\ninstructions: {count} of {MAX_INSTRUCTIONS}\n",
        source.name,
        profile.default_action()
    );
    for (pointer, name) in profile.unknown() {
        let place = source.pointer(pointer);
        let _ = writeln!(text, "unknown: {} is no system call ({place})", quoted(name));
    }
    for Overruled { call, conditional, unconditional } in profile.overruled() {
        let entry = |index| source.pointer(&format!("/syscalls/{index}"));
        let (first, other) = (entry(conditional), entry(unconditional));
        let _ = writeln!(
            text,
            "order: {call}: {first}, under conditions, stands before {other}, which runc and crun put first"
        );
    }
    profile.survey().iter().for_each(|survey| of_arch(&mut text, survey));
    text
}

fn of_arch(text: &mut String, survey: &Survey) {
    let _ = writeln!(text, "\n{}", survey.arch.name());
    for (action, count) in &survey.counts {
        let _ = writeln!(text, "  {count:4} calls: {action}");
    }
    if !survey.conditional.is_empty() {
        let count = survey.conditional.len();
        let names = survey.conditional.join(", ");
        let _ = writeln!(text, "  {count:4} calls: it depends on arguments: {names}");
    }
    if let Some((number, name)) = survey.newest {
        let name = name.unwrap_or("?");
        let _ = writeln!(text, "       newer calls than {name} ({number}) fail with ENOSYS");
    }
    if !survey.holes.is_empty() {
        let _ = writeln!(text, "  worth a thought:");
    }
    for hole in &survey.holes {
        let name = hole.call.unwrap_or("all calls");
        let takes = match hole.capability {
            "" => String::new(),
            capability => format!(" (takes {capability})"),
        };
        let _ = writeln!(text, "    {name}: {}{takes}", hole.reason);
    }
}

fn to_json(source: &Source, profile: &Profile<'_>, program: &Program) -> Value {
    let unknown = |(pointer, name): &(String, &str)| json!({"pointer": source.pointer(pointer), "name": name});
    let order = |one: &Overruled| {
        let entry = |index| source.pointer(&format!("/syscalls/{index}"));
        let (first, other) = (entry(one.conditional), entry(one.unconditional));
        json!({"call": one.call, "conditional": first, "unconditional": other})
    };
    let archs: Vec<Value> = profile.survey().iter().map(arch_to_json).collect();
    json!({
        "valid": true,
        "defaultAction": profile.default_action().to_string(),
        "instructions": program.instructions().len(),
        "unknown": profile.unknown().iter().map(unknown).collect::<Vec<_>>(),
        "order": profile.overruled().iter().map(order).collect::<Vec<_>>(),
        "architectures": archs,
    })
}

fn arch_to_json(survey: &Survey) -> Value {
    let counts = survey.counts.iter();
    let counts =
        counts.map(|(action, calls)| json!({"action": action.to_string(), "calls": calls}));
    let holes = survey.holes.iter().map(|hole| {
        let capability = Some(hole.capability).filter(|capability| !capability.is_empty());
        json!({"call": hole.call, "capability": capability, "reason": hole.reason})
    });
    json!({
        "architecture": survey.arch.name(),
        "counts": counts.collect::<Vec<_>>(),
        "conditional": survey.conditional,
        "newest": survey.newest.map(|(number, name)| json!({"call": name, "number": number})),
        "holes": holes.collect::<Vec<_>>(),
    })
}
