//! What is said of a call against what the compiled program does.

use super::random::{Random, data, section};
use super::{compile, section as parse};
use crate::{Action, Arch, Asked, Case, Data, Profile, Reason};

fn asked(data: &Data, random: &mut Random, percent: usize) -> Asked {
    let args = data.args.map(|value| (!random.chance(percent)).then_some(value));
    Asked { arch: data.arch, number: data.number, args }
}

#[test]
fn the_answer_is_the_programs_own() {
    let mut by_rule = 0;
    let mut open = 0;
    for seed in 1..=400 {
        let mut random = Random(seed * 0x51ed_270b);
        let section = section(&mut random);
        let profile = Profile::read(&section, Arch::X86_64).expect("a profile");
        let Ok(program) = profile.compile() else { continue };
        for _ in 0..100 {
            let data = data(&mut random, Arch::X86_64, &section);
            let answer = program.answer(&data).expect("an end");
            let whole = profile.explain(&asked(&data, &mut random, 0));
            let [case] = &whole[..] else { panic!("{data:x?}: {whole:?}") };
            assert_eq!(case.action, answer, "{data:x?}: {case:?}\n{program}");
            assert!(case.open.is_empty());
            by_rule += usize::from(matches!(case.reason, Reason::Rule(..)));
            // With arguments that are unknown, the same case is one of those that are told.
            let part = profile.explain(&asked(&data, &mut random, 50));
            let is_told = |other: &Case| (other.action, other.reason) == (case.action, case.reason);
            assert!(part.iter().any(is_told), "{data:x?}: {case:?} is not among {part:?}");
            let (last, before) = part.split_last().expect("a case");
            assert!(last.open.is_empty() && before.iter().all(|case| !case.open.is_empty()));
            open += before.len();
        }
    }
    assert!(by_rule > 1000 && open > 1000, "{by_rule} {open}");
}

const PROFILE: &str = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"], "syscalls": [
    {"names": ["read", "socket", "close_range"], "action": "SCMP_ACT_ALLOW"},
    {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ"}]},
    {"names": ["clone"], "action": "SCMP_ACT_KILL", "args": [{"index": 1, "value": 1, "op": "SCMP_CMP_GE"}]}]}"#;

fn cases(arch: Arch, number: u32, args: &[(usize, u64)]) -> Vec<String> {
    let section = parse(PROFILE);
    let profile = Profile::read(&section, Arch::X86_64).expect("a profile");
    let mut asked = Asked { arch, number, args: [None; 6] };
    for &(index, value) in args {
        asked.args[index] = Some(value);
    }
    let text = |case: &Case| format!("{} {:?} {}", case.action, case.reason, case.open.join(", "));
    profile.explain(&asked).iter().map(text).collect()
}

#[test]
fn what_decides_is_named() {
    let x86_64 = |number, args: &[(usize, u64)]| cases(Arch::X86_64, number, args);
    assert_eq!(x86_64(0, &[]), ["SCMP_ACT_ALLOW Rule(0, false) "]);
    assert_eq!(x86_64(1, &[]), ["SCMP_ACT_ERRNO (EPERM) Default "]);
    assert_eq!(x86_64(437, &[]), ["SCMP_ACT_ERRNO (ENOSYS) Newer "]);
    assert_eq!(x86_64(u32::MAX, &[]), ["SCMP_ACT_ERRNO (EPERM) LeftOut "]);
    assert_eq!(x86_64(0x4000_0000, &[]), ["SCMP_ACT_KILL_THREAD Architecture "]);
    assert_eq!(cases(Arch::ARM, 3, &[]), ["SCMP_ACT_KILL_THREAD Architecture "]);
    assert_eq!(
        x86_64(56, &[]),
        [
            "SCMP_ACT_ALLOW Rule(1, false) arg0 & 0x7e020000 == 0x0",
            "SCMP_ACT_KILL_THREAD Rule(2, false) arg1 >= 1",
            "SCMP_ACT_ERRNO (EPERM) Default ",
        ]
    );
    let known = [(0, 0x1000_0000)];
    assert_eq!(
        x86_64(56, &known),
        ["SCMP_ACT_KILL_THREAD Rule(2, false) arg1 >= 1", "SCMP_ACT_ERRNO (EPERM) Default "]
    );
    assert_eq!(x86_64(56, &[(0, 17)]), ["SCMP_ACT_ALLOW Rule(1, false) "]);
    // socket(2) through socketcall(2), which is 102.
    assert_eq!(
        cases(Arch::X86, 102, &[]),
        ["SCMP_ACT_ALLOW Rule(0, true) arg0 == 1", "SCMP_ACT_ERRNO (EPERM) Default "]
    );
    assert_eq!(cases(Arch::X86, 102, &[(0, 2)]), ["SCMP_ACT_ERRNO (EPERM) Default "]);
}

#[test]
fn actions_have_names() {
    let names: Vec<String> = [
        0x0005_0000 | 38,
        0x0005_0000 | 4000,
        0x7ff0_0007,
        0,
        0x8000_0000,
        0x7fc0_0000,
        0x1234_0000,
    ]
    .map(|value| Action::of(value).to_string())
    .to_vec();
    assert_eq!(
        names,
        [
            "SCMP_ACT_ERRNO (ENOSYS)",
            "SCMP_ACT_ERRNO (4000)",
            "SCMP_ACT_TRACE (7)",
            "SCMP_ACT_KILL_THREAD",
            "SCMP_ACT_KILL_PROCESS",
            "SCMP_ACT_NOTIFY",
            "0x12340000",
        ]
    );
}

#[test]
fn a_program_allows_what_it_is_said_to() {
    let section = parse(PROFILE);
    let program = compile(&section);
    let data = Data { arch: Arch::X86_64, number: 56, args: [17, 0, 0, 0, 0, 0] };
    assert_eq!(program.answer(&data), Some(Action::ALLOW));
}
