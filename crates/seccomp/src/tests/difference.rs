//! Differences that are told against the programs' answers.

use super::random::{Random, data, section};
use super::{compile, section as parse};
use crate::{Arch, Data, Profile, Program, differences};

fn told(one: &str, other: &str, arch: Arch) -> Vec<String> {
    let [one, other] = [one, other].map(|text| compile(&parse(text)));
    let found = differences(&one, &other, arch).expect("few ways");
    found
        .iter()
        .map(|difference| {
            let (first, last) = difference.numbers;
            let [a, b] = difference.actions;
            format!("{first}-{last} {a} {b} {}", difference.conditions.join(", "))
        })
        .collect()
}

fn rules(rules: &str) -> String {
    format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rules}]}}"#)
}

fn rule(name: &str, action: &str, args: &str) -> String {
    format!(r#"{{"names": ["{name}"], "action": "SCMP_ACT_{action}", "args": [{args}]}}"#)
}

fn arg(op: &str, value: u64, value_two: u64) -> String {
    format!(r#"{{"index": 0, "value": {value}, "valueTwo": {value_two}, "op": "SCMP_CMP_{op}"}}"#)
}

#[test]
fn the_same_in_other_words_is_equal() {
    let below = rules(&rule("personality", "KILL", &arg("LT", 8, 0)));
    let at_most = rules(&rule("personality", "KILL", &arg("LE", 7, 0)));
    assert!(told(&below, &at_most, Arch::X86_64).is_empty());
    let each: Vec<String> =
        (0..8).map(|value| rule("personality", "KILL", &arg("EQ", value, 0))).collect();
    assert!(told(&below, &rules(&each.join(",")), Arch::X86_64).is_empty());
    // All bits but the lowest three are zero.
    let masked = rules(&rule("personality", "KILL", &arg("MASKED_EQ", !7, 0)));
    assert!(told(&below, &masked, Arch::X86_64).is_empty());
    let default = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["read", "write", "close_range"], "action": "SCMP_ACT_ALLOW"}]}"#;
    let named = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["close_range", "write"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["open"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}"#;
    assert!(told(default, named, Arch::X86_64).is_empty());
}

#[test]
fn a_single_value_is_found() {
    let below = rules(&rule("personality", "KILL", &arg("LT", 0x1_0000_0000, 0)));
    let at_most = rules(&rule("personality", "KILL", &arg("LE", 0x1_0000_0000, 0)));
    assert_eq!(
        told(&below, &at_most, Arch::X86_64),
        ["135-135 SCMP_ACT_ALLOW SCMP_ACT_KILL_THREAD arg0 >> 32 == 1, arg0 & 0xffffffff == 0"]
    );
    let masked = rules(&rule("personality", "KILL", &arg("MASKED_EQ", 0xf0, 0x10)));
    assert_eq!(
        told(&masked, &rules(""), Arch::X86_64),
        ["135-135 SCMP_ACT_KILL_THREAD SCMP_ACT_ALLOW arg0 & 0xf0 == 16"]
    );
}

#[test]
fn ranges_of_numbers_are_told_whole() {
    let error = r#"{"defaultAction": "SCMP_ACT_ERRNO"}"#;
    assert_eq!(
        told(error, &rules(""), Arch::X86_64),
        [
            "0-1073741823 SCMP_ACT_ERRNO (EPERM) SCMP_ACT_ALLOW ",
            "4294967295-4294967295 SCMP_ACT_ERRNO (EPERM) SCMP_ACT_ALLOW "
        ]
    );
    assert!(told(error, &rules(""), Arch::X86).is_empty(), "neither lets it through");
}

fn pair(random: &mut Random) -> Option<[(coble_spec::Seccomp, Program); 2]> {
    let first = section(random);
    let mut second = if random.chance(20) { section(random) } else { first.clone() };
    // A few changes: neighbours are harder to tell apart than strangers.
    for _ in 0..random.below(3) {
        if let Some(index) = second.syscalls.len().checked_sub(1) {
            let index = random.below(index + 1);
            let rule = second.syscalls.remove(index);
            let place = random.below(second.syscalls.len() + 1);
            match random.below(3) {
                0 => second.syscalls.insert(place, rule),
                1 => {}
                _ => {
                    let mut rule = rule;
                    if let Some(arg) = rule.args.first_mut() {
                        arg.value ^= 1;
                    }
                    second.syscalls.insert(index, rule);
                }
            }
        }
    }
    let compile = |section: coble_spec::Seccomp| {
        let program = Profile::read(&section, Arch::X86_64).expect("a profile").compile().ok()?;
        Some((section, program))
    };
    Some([compile(first)?, compile(second)?])
}

/// Each example differs as it is told to, and no call that isn't told of differs.
#[test]
fn what_is_told_is_all_there_is() {
    let (mut equal, mut different, mut probes) = (0, 0, 0);
    for seed in 1..=120 {
        let mut random = Random(seed * 0x2545_f491);
        let Some([(section, one), (_, other)]) = pair(&mut random) else { continue };
        for arch in Arch::all() {
            let Ok(found) = differences(&one, &other, arch) else { continue };
            for difference in &found {
                let answers = [&one, &other].map(|program| program.answer(&difference.example));
                assert_eq!(answers, difference.actions.map(Some), "{difference:?}\n{one}\n{other}");
                assert!(difference.conditions.is_empty() || difference.example.arch == arch);
            }
            *if found.is_empty() { &mut equal } else { &mut different } += 1;
            for _ in 0..20 {
                let mut data = data(&mut random, Arch::X86_64, &section);
                data.arch = arch;
                let answers = [&one, &other].map(|program| program.answer(&data));
                let is_own = match arch {
                    Arch::X86_64 => !(0x4000_0000..u32::MAX).contains(&data.number),
                    Arch::X32 => (0x4000_0000..u32::MAX).contains(&data.number),
                    _ => true,
                };
                if !is_own || answers[0] == answers[1] || !is_narrow(&data) {
                    continue;
                }
                probes += 1;
                let is_told = found.iter().any(|difference| {
                    (difference.numbers.0..=difference.numbers.1).contains(&data.number)
                        && difference.actions.map(Some) == answers
                });
                assert!(is_told, "{data:x?} {answers:?} {found:?}\n{one}\n{other}");
            }
        }
    }
    assert!(equal > 500 && different > 100 && probes > 500, "{equal} {different} {probes}");
}

/// Whether the kernel could tell a filter of it: where arguments have 32 bits, the rest is zero.
fn is_narrow(data: &Data) -> bool {
    data.arch.is_wide() || data.args.iter().all(|arg| *arg <= u64::from(u32::MAX))
}
