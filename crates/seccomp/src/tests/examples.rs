//! Profiles that are wrong, and what becomes of the odd ones.

use super::{compare, compile, section};
use crate::{Action, Arch, Asked, Data, Profile};

fn refused(text: &str) -> String {
    Profile::read(&section(text), Arch::X86_64).expect_err("it is wrong").to_string()
}

#[test]
fn wrong_profiles_are_named() {
    let rule = |rule: &str| {
        refused(&format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{{{rule}}}]}}"#))
    };
    let arg = |arg: &str| {
        rule(&format!(r#""names": ["read"], "action": "SCMP_ACT_KILL", "args": [{arg}]"#))
    };
    for (error, expected) in [
        (refused(r#"{"defaultAction": "ALLOW"}"#), r#"/defaultAction: "ALLOW" is no action"#),
        (
            refused(r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}"#),
            "/defaultErrnoRet: SCMP_ACT_ALLOW takes no error number",
        ),
        (
            refused(r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}"#),
            "/defaultErrnoRet: 4096 is more than 4095, the highest there is",
        ),
        (
            refused(
                r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86", "x86"]}"#,
            ),
            r#"/architectures/1: "x86" is no architecture"#,
        ),
        (rule(r#""names": [], "action": "SCMP_ACT_KILL""#), "/syscalls/0/names: there is no name"),
        (
            rule(r#""names": ["read"], "action": "KILL""#),
            r#"/syscalls/0/action: "KILL" is no action"#,
        ),
        (
            rule(r#""names": ["read"], "action": "SCMP_ACT_LOG", "errnoRet": 1"#),
            "/syscalls/0/errnoRet: SCMP_ACT_LOG takes no error number",
        ),
        (
            arg(r#"{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}"#),
            "/syscalls/0/args/0/index: 6 is no argument; they are 0 to 5",
        ),
        (
            arg(r#"{"index": 5, "value": 0, "op": "=="}"#),
            r#"/syscalls/0/args/0/op: "==" is no operator"#,
        ),
    ] {
        assert_eq!(error, expected);
    }
}

#[test]
fn unknown_names_are_told_and_passed_over() {
    let section = section(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            {"names": ["read", "time_travel"], "action": "SCMP_ACT_ALLOW"}]}"#,
    );
    let profile = Profile::read(&section, Arch::X86_64).expect("a profile");
    assert_eq!(profile.unknown(), [("/syscalls/0/names/1".to_owned(), "time_travel")]);
}

#[test]
fn conditions_share_what_is_known() {
    let values = [0, 8, 0x0002_0000, 0x0002_0008, 0xffff_ffff_u64];
    let rules: Vec<String> = values
        .iter()
        .map(|value| {
            format!(
                r#"{{"names": ["personality"], "action": "SCMP_ACT_ALLOW",
                    "args": [{{"index": 0, "value": {value}, "op": "SCMP_CMP_EQ"}}]}}"#
            )
        })
        .collect();
    let text =
        format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{}]}}"#, rules.join(","));
    let section = section(&text);
    let program = compile(&section);
    let arguments =
        program.instructions().iter().filter(|one| one.code == 0x20 && one.k >= 16).count();
    assert_eq!(arguments, 2, "each half is loaded once\n{program}");
    for value in [0, 1, 8, 9, 0x0002_0000, 0xffff_fffe, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0008] {
        for number in [134, 135, 136] {
            compare(&section, &program, &Data { arch: Arch::X86_64, number, args: [value; 6] });
        }
    }
}

#[test]
fn too_many_conditions_are_refused() {
    let rules: Vec<String> = (0..3000)
        .map(|value| {
            format!(
                r#"{{"names": ["read"], "action": "SCMP_ACT_TRAP", "args": [
                    {{"index": 0, "value": {value}, "op": "SCMP_CMP_EQ"}},
                    {{"index": 1, "value": {value}, "op": "SCMP_CMP_EQ"}}]}}"#
            )
        })
        .collect();
    let text =
        format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{}]}}"#, rules.join(","));
    let section = section(&text);
    let error = Profile::read(&section, Arch::X86_64)
        .expect("a profile")
        .compile()
        .expect_err("it is long");
    assert!(error.reason.ends_with("instructions, and the kernel takes 4096 at most"), "{error}");
}

#[test]
fn what_no_profile_names() {
    let section = section(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read", "close_range"], "action": "SCMP_ACT_ALLOW"}]}"#,
    );
    let program = compile(&section);
    let answer = |arch, number| {
        program.answer(&Data { arch, number, args: [0; 6] }).expect("an end").value()
    };
    let allow = Action::ALLOW.value();
    assert_eq!(answer(Arch::X86_64, 0), allow);
    assert_eq!(answer(Arch::X86_64, 1), 0x0005_0001, "known and not allowed");
    assert_eq!(answer(Arch::X86_64, 437), Action::ENOSYS.value(), "newer than close_range, 436");
    assert_eq!(answer(Arch::X86, 3), Action::KILL_THREAD.value(), "another architecture");
    assert_eq!(answer(Arch::X32, 0x4000_0000), Action::KILL_THREAD.value());
    assert_eq!(answer(Arch::X86_64, u32::MAX), 0x0005_0001, "left out by a tracer");
}

/// A tracer leaves a call out by giving it the number -1. With x32, which Docker's own profile names, it is not killed for that.
#[test]
fn a_call_that_is_left_out_is_newer_than_those_of_x32() {
    let answer = |archs: &str, names: &str| {
        let section = section(&format!(
            r#"{{"defaultAction": "SCMP_ACT_KILL_PROCESS", "architectures": [{archs}],
                "syscalls": [{{"names": [{names}], "action": "SCMP_ACT_ALLOW"}}]}}"#
        ));
        let profile = Profile::read(&section, Arch::X86_64).expect("a profile");
        let (arch, number) = (Arch::X86_64, u32::MAX);
        let loaded = profile.compile().expect("a program");
        let loaded = loaded.answer(&Data { arch, number, args: [0; 6] }).expect("an end");
        let told = profile.explain(&Asked { arch, number, args: [None; 6] });
        assert_eq!(told.iter().map(|case| case.action).collect::<Vec<_>>(), [loaded]);
        loaded
    };
    assert_eq!(answer(r#""SCMP_ARCH_X86_64", "SCMP_ARCH_X32""#, r#""read""#), Action::ENOSYS);
    assert_eq!(answer(r#""SCMP_ARCH_X86_64""#, r#""read""#), Action::KILL_PROCESS);
    assert_eq!(answer(r#""SCMP_ARCH_X32""#, r#""unknown_call""#), Action::KILL_PROCESS);
}
