//! The compiler against an evaluator that reads the profile as it stands, and the program's answers.

mod difference;
mod engine;
mod examples;
mod explain;
mod limits;
mod naive;
mod random;
mod survey;

use coble_spec::Seccomp;

use crate::{Arch, Data, Profile, Program};

fn section(text: &str) -> Seccomp {
    serde_json::from_str(text).expect("JSON of a section")
}

fn compile(section: &Seccomp) -> Program {
    Profile::read(section, Arch::X86_64).and_then(|profile| profile.compile()).expect("a profile")
}

/// Both answers must be the same.
fn compare(section: &Seccomp, program: &Program, data: &Data) {
    compare_on(Arch::X86_64, section, program, data);
}

/// The same for a kernel of another architecture; gives the answer.
fn compare_on(native: Arch, section: &Seccomp, program: &Program, data: &Data) -> u32 {
    let answer = program.answer(data).expect("an end").value();
    let expected = naive::answer(section, native, data);
    assert_eq!(
        format!("{answer:#x}"),
        format!("{expected:#x}"),
        "{data:x?}\n{}\n{program}",
        serde_json::to_string(section).expect("JSON")
    );
    answer
}
