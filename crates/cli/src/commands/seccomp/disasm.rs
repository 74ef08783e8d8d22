//! `coble seccomp disasm`

use std::ffi::OsStr;

use coble_seccomp::{Instruction, Listing, MAX_INSTRUCTIONS, Program};

use super::source::{Host, Source};
use super::{ARCH, CAP, KERNEL, PROFILE};
use crate::call::Call;
use crate::commands::input::Input;
use crate::failure::Failure;
use crate::stdout;
use crate::table::{Command, Flag};

const RAW: Flag =
    Flag::switch("raw", None, "PROFILE is a filter already: a file of struct sock_filter");

pub(crate) static COMMAND: Command = Command {
    name: "seccomp disasm",
    summary: "print a filter's instructions in readable form",
    arguments: &[PROFILE],
    flags: &[RAW, CAP, KERNEL, ARCH],
    description: &[
        "Prints the program of classic BPF that the kernel is given for a profile, seccomp(2), an instruction on each line \
         with its number. Comments name calls, architectures, arguments and actions.",
        "An argument has two halves. On architectures whose numbers begin with their lowest byte, which most are, the first \
         one is the lower one.",
    ],
    examples: &[
        ("Print the filter of a profile", "coble seccomp disasm profile.json"),
        ("Print one that another program has dumped", "coble seccomp disasm --raw filter.bpf"),
    ],
    execute,
    ..Command::DEFAULT
};

fn execute(call: &Call) -> Result<u8, Failure> {
    let word: &OsStr = call.arguments.first().map_or("".as_ref(), |word| word);
    let program = if call.flags.has(&RAW) {
        raw(word)?
    } else {
        let host = Host::of(call)?;
        let source = Source::read(word, &host)?;
        let profile = source.profile(host.arch)?;
        source.compile(&profile)?
    };
    stdout::print(Listing(&program).to_string().as_bytes())?;
    Ok(0)
}

/// The program in a file, as the kernel takes it on this host.
fn raw(word: &OsStr) -> Result<Program, Failure> {
    let Input { name, bytes } = Input::read(word)?;
    let (instructions, rest) = bytes.as_chunks();
    let instructions: Vec<_> = instructions.iter().copied().map(Instruction::from_bytes).collect();
    if !rest.is_empty() || instructions.is_empty() {
        let count = bytes.len();
        return Err(Failure::new(format!(
            "{name}: {count} bytes are no filter, whose instructions have eight each"
        )));
    }
    if instructions.len() > MAX_INSTRUCTIONS {
        let count = instructions.len();
        return Err(Failure::new(format!(
            "{name}: {count} instructions, and the kernel takes {MAX_INSTRUCTIONS} at most"
        )));
    }
    Ok(Program::new(instructions))
}
