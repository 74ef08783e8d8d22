//! The compiler against an evaluator that reads the profile as it stands, and an interpreter of the programs.

mod examples;
mod interpreter;
mod naive;
mod random;

use coble_spec::Seccomp;

use crate::{Arch, Profile, Program};

/// A call as a filter sees it.
#[derive(Clone, Copy, Debug)]
struct Data {
    arch: Arch,
    number: u32,
    args: [u64; 6],
}

fn section(text: &str) -> Seccomp {
    serde_json::from_str(text).expect("JSON of a section")
}

fn compile(section: &Seccomp) -> Program {
    Profile::read(section, Arch::X86_64).and_then(|profile| profile.compile()).expect("a profile")
}

/// Both answers must be the same.
fn compare(section: &Seccomp, program: &Program, data: &Data) {
    let answer = interpreter::run(program, data);
    let expected = naive::answer(section, data);
    assert_eq!(
        format!("{answer:#x}"),
        format!("{expected:#x}"),
        "{data:x?}\n{}\n{program}",
        serde_json::to_string(section).expect("JSON")
    );
}
