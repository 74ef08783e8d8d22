//! What a call costs under a filter: the instructions until the answer, which is exact on any machine.

use coble_seccomp::{Arch, Data, Profile, Program};
use coble_spec::Seccomp;

use crate::compare::{arguments, numbers, of};
use crate::library::{self, Search};

/// Of all calls that an architecture has.
#[derive(Debug, PartialEq)]
struct Steps {
    /// With arguments that are all zero.
    mean: f64,
    /// With the arguments that take the longest.
    most: usize,
}

fn steps(section: &Seccomp, program: &Program, arch: Arch) -> Steps {
    let numbers: Vec<u32> = numbers(arch).filter(|number| arch.call(*number).is_some()).collect();
    let count = |number: u32, args| program.steps(&Data { arch, number, args }).unwrap();
    let sum: usize = numbers.iter().map(|number| count(*number, [0; 6])).sum();
    let all = |number: &u32| {
        let arguments = arguments(section, arch, *number).into_iter();
        arguments.map(|args| count(*number, args)).max()
    };
    let most = numbers.iter().filter_map(all).max().unwrap();
    Steps { mean: sum as f64 / numbers.len() as f64, most }
}

/// The library's tree is the best that it has, and no runtime asks for it by default.
pub(crate) fn are_fewer_than_the_librarys(what: &str, section: &Seccomp) {
    let ours = Profile::read(section, Arch::X86_64).unwrap().compile().unwrap();
    let of_library = |search| library::filter(section, Arch::X86_64, search);
    let [tree, line] = [Search::Tree, Search::Line].map(of_library);
    for arch in of(section, Arch::X86_64) {
        let [ours, tree, line] = [&ours, &tree, &line].map(|program| steps(section, program, arch));
        println!("{what} {}: coble {ours:?}, tree {tree:?}, line {line:?}", arch.name());
        assert!(ours.mean <= tree.mean, "{what} {}: {ours:?}, not {tree:?}", arch.name());
        assert!(ours.most <= tree.most, "{what} {}: {ours:?}, not {tree:?}", arch.name());
    }
    let [ours, tree, line] = [&ours, &tree, &line].map(|program| program.instructions().len());
    println!("{what}: {ours} instructions, tree {tree}, line {line}");
}
