//! Random profiles and random calls.

use std::collections::BTreeSet;

use coble_spec::{Seccomp, Syscall, SyscallArg};

use super::compare_on;
use crate::table::CALLS;
use crate::{Arch, Data, Profile};

/// xorshift64*, the same numbers for the same seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }

    pub(super) fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

const ACTIONS: [&str; 9] = [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
];

const OPS: [&str; 7] = [
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
];

/// Values that meet one another, and the edges of halves.
const VALUES: [u64; 14] = [
    0,
    1,
    2,
    8,
    0xff,
    0x7e02_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0xffff_ffff_0000_0000,
    0xffff_ffff_ffff_ff9c,
    u64::MAX,
];

fn action(random: &mut Random) -> (String, Option<u32>) {
    let action = random.of(&ACTIONS);
    let takes_number = ["SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"].contains(&action);
    (action.to_owned(), (takes_number && random.chance(50)).then(|| random.of(&[1, 22, 38, 4095])))
}

pub(super) fn section(random: &mut Random) -> Seccomp {
    let (default_action, default_errno_ret) = action(random);
    let all: Vec<Arch> = Arch::all().collect();
    let count = random.below(5);
    let architectures = (0..count).map(|_| random.of(&all).name()).collect();
    let most = random.of(&[1, 3, 10, 60]);
    // Few different names, so that rules meet.
    let names: Vec<&str> = (0..random.of(&[2, 10, 100])).map(|_| random.of(&CALLS).0).collect();
    let syscalls = (0..random.below(most)).map(|_| syscall(random, &names)).collect();
    Seccomp { default_action, default_errno_ret, architectures, syscalls, ..Seccomp::default() }
}

fn syscall(random: &mut Random, names: &[&str]) -> Syscall {
    let (action, errno_ret) = action(random);
    let most = random.of(&[1, 3, 30]);
    let names = (0..=random.below(most)).map(|_| random.of(names).to_owned()).collect();
    let count = if random.chance(50) { 0 } else { random.below(4) };
    let args = (0..count).map(|_| SyscallArg {
        index: random.below(3) as u32,
        value: random.of(&VALUES),
        value_two: random.of(&VALUES),
        op: random.of(&OPS).to_owned(),
    });
    Syscall { names, action, errno_ret, args: args.collect() }
}

pub(super) fn data(random: &mut Random, native: Arch, section: &Seccomp) -> Data {
    let all: Vec<Arch> = Arch::all().collect();
    let own: Vec<Arch> =
        section.architectures.iter().filter_map(|name| Arch::named(name)).collect();
    let arch = match random.below(3) {
        0 => native,
        1 if !own.is_empty() => random.of(&own),
        _ => random.of(&all),
    };
    let syscalls = &section.syscalls;
    let number = match random.below(4) {
        0 => random.below(600) as u32 + random.of(&[0, 4000, 5000, 6000, 0x4000_0000]),
        1 => random.of(&[
            0,
            102,
            117,
            4102,
            0x3fff_ffff,
            0x4000_0000,
            0x8000_0000,
            u32::MAX - 1,
            u32::MAX,
        ]),
        _ if syscalls.is_empty() => 1,
        _ => {
            let names = &syscalls[random.below(syscalls.len())].names;
            arch.number(&names[random.below(names.len())]).unwrap_or(3)
        }
    };
    let width = if arch.is_wide() { u64::MAX } else { u64::from(u32::MAX) };
    let args = [0; 6]
        .map(|_| (random.of(&VALUES).wrapping_add(random.below(3) as u64).wrapping_sub(1)) & width);
    Data { arch, number, args }
}

/// What matters of an architecture for a filter.
fn kind(arch: Arch) -> (bool, bool, bool) {
    (arch.is_wide(), arch.is_little_endian(), arch == Arch::X32)
}

#[test]
fn any_profile_answers_as_it_reads() {
    let all: Vec<Arch> = Arch::all().collect();
    let mut longest = 0;
    let mut seen = BTreeSet::new();
    let count =
        std::env::var("COBLE_SECCOMP_COUNT").map_or(400, |count| count.parse().expect("a number"));
    for seed in 1..=count {
        let mut random = Random(seed * 0x9e37_79b9);
        let section = section(&mut random);
        let native = if random.chance(50) { Arch::X86_64 } else { random.of(&all) };
        let program = match Profile::read(&section, native).expect("a profile").compile() {
            Ok(program) => program,
            Err(error) => {
                assert!(error.reason.contains("instructions"), "{error}");
                continue;
            }
        };
        longest = longest.max(program.instructions().len());
        for _ in 0..150 {
            let data = data(&mut random, native, &section);
            let answer = compare_on(native, &section, &program, &data);
            seen.insert((kind(data.arch), answer & 0xffff_0000));
        }
    }
    assert!(longest > 300, "jumps beyond the reach of a comparison are among them: {longest}");
    // SCMP_ACT_KILL is SCMP_ACT_KILL_THREAD.
    let (kinds, actions) = (5, ACTIONS.len() - 1);
    assert_eq!(seen.len(), kinds * actions, "each action, on each kind of architecture: {seen:x?}");
}
