//! Profiles that are as long as a filter can be, or longer, and those that would take long to be made shorter.

use coble_spec::Seccomp;

use super::{compare, compile, section};
use crate::{Arch, Data, MAX_INSTRUCTIONS, Profile};

fn of(rules: &[String]) -> Seccomp {
    section(&format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{}]}}"#, rules.join(",")))
}

/// The call `read` is denied with one of these pairs of arguments.
fn pair(value: usize) -> String {
    format!(
        r#"{{"names": ["read"], "action": "SCMP_ACT_TRAP", "args": [
            {{"index": 0, "value": {value}, "op": "SCMP_CMP_EQ"}},
            {{"index": 1, "value": {value}, "op": "SCMP_CMP_EQ"}}]}}"#
    )
}

#[test]
fn the_longest_filter_is_one_that_the_kernel_takes() {
    let rules: Vec<String> = (0..MAX_INSTRUCTIONS).map(|nth| pair(2 * nth)).collect();
    let length = |count: usize| {
        let section = of(&rules[..count]);
        let program = Profile::read(&section, Arch::X86_64).expect("a profile").compile();
        program.map(|program| program.instructions().len())
    };
    let fits = |count: &usize| length(*count).is_ok();
    let counts: Vec<usize> = (0..=rules.len()).collect();
    let most = counts.partition_point(fits) - 1;
    let longest = length(most).expect("it fits");
    assert!((MAX_INSTRUCTIONS - 10..=MAX_INSTRUCTIONS).contains(&longest), "{longest}");
    let error = length(most + 1).expect_err("it is too long");
    assert!(error.reason.ends_with("instructions, and the kernel takes 4096 at most"), "{error}");
    let section = of(&rules[..most]);
    let program = compile(&section);
    for value in [0, 1, 2, most as u64, 2 * most as u64 - 2, 2 * most as u64] {
        for other in [value, value + 1] {
            let args = [value, other, 0, 0, 0, 0];
            compare(&section, &program, &Data { arch: Arch::X86_64, number: 0, args });
        }
    }
}

/// Each of these may be met or not whatever is known of the others, which makes 2^60 ways.
#[test]
fn rules_that_would_multiply_are_left_as_they_stand() {
    let rules: Vec<String> = (0..60)
        .map(|bit| {
            let (one, other) = (1_u64 << bit, 1_u64 << (bit + 1));
            format!(
                r#"{{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": {bit}, "args": [
                    {{"index": 0, "value": {one}, "valueTwo": {one}, "op": "SCMP_CMP_MASKED_EQ"}},
                    {{"index": 1, "value": {other}, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}}]}}"#
            )
        })
        .collect();
    let section = of(&rules);
    let program = compile(&section);
    assert!(program.instructions().len() < 1000, "{}", program.instructions().len());
    for bit in 0..61 {
        for args in [[1 << bit, 0], [1 << bit, 2 << bit], [u64::MAX, !(2 << bit)], [!0, !0]] {
            let [one, other] = args;
            let args = [one, other, 0, 0, 0, 0];
            compare(&section, &program, &Data { arch: Arch::X86_64, number: 0, args });
        }
    }
}
