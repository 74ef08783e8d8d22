//! Both filters' answers to every call.

use std::collections::BTreeSet;

use coble_seccomp::{Action, Arch, Data, Profile};
use coble_spec::{Seccomp, Syscall, SyscallArg};
use libseccomp::{ScmpArch, ScmpSyscall};

use crate::library::{self, Search};

/// How many numbers of an architecture are tried.
const NUMBERS: u32 = 600;

/// Numbers that the library has and the kernel hasn't: `_llseek` of 64-bit PA-RISC is for 32-bit programs alone
/// (arch/parisc/kernel/syscalls/syscall.tbl).
const NOT_THERE: [(&str, u32); 1] = [("SCMP_ARCH_PARISC64", 140)];

/// Every architecture that both know.
pub(crate) fn archs() -> Vec<Arch> {
    Arch::all().filter(|arch| of_library(*arch).is_some()).collect()
}

fn of_library(arch: Arch) -> Option<ScmpArch> {
    let known = arch.name().parse::<ScmpArch>().ok()?;
    // The crate has names of architectures that the installed library is too old for.
    ScmpSyscall::from_name_by_arch("read", known).ok().filter(|call| !call.is_error())?;
    Some(known)
}

/// The numbers that are tried of an architecture.
pub(crate) fn numbers(arch: Arch) -> impl Iterator<Item = u32> {
    const X32_BIT: u32 = 0x4000_0000;
    // MIPS has three kinds of programs, from 4000, 5000 and 6000 on.
    let read = arch.number("read").unwrap();
    let base = if read >= X32_BIT { X32_BIT } else { read / 1000 * 1000 };
    (base..=base + NUMBERS).chain([u32::MAX])
}

/// Compares the filters for a kernel of this architecture. Gives the names of calls that the profile has and the
/// installed library doesn't know, for which nothing can be compared.
pub(crate) fn compare(section: &Seccomp, native: Arch) -> BTreeSet<&'static str> {
    let ours = Profile::read(section, native).unwrap().compile().unwrap();
    let theirs = library::filter(section, native, Search::Line);
    let default = default(section);
    let mut differences = Vec::new();
    let mut unknown = BTreeSet::new();
    for arch in of(section, native) {
        for number in numbers(arch).filter(|nr| !NOT_THERE.contains(&(&*arch.name(), *nr))) {
            let name = arch.call(number);
            for args in arguments(section, arch, number) {
                let data = Data { arch, number, args };
                let (ours, theirs) = (ours.answer(&data).unwrap(), theirs.answer(&data).unwrap());
                // Some of what the library returns, but not all, is written in this machine's order of bytes.
                let turned = Action::of(theirs.value().swap_bytes());
                let is_theirs = |action: Action| {
                    action == theirs || action == turned && !native.is_little_endian()
                };
                let is_left_out = is_theirs(default);
                if is_theirs(ours) || is_left_out && is_newer(section, &data, ours) {
                    continue;
                }
                match name {
                    Some(name) if is_left_out && is_unknown(section, name, &data) => {
                        unknown.insert(name);
                    }
                    _ => {
                        let [ours, theirs] = [ours, theirs].map(Action::value);
                        differences.push(format!("{name:?} {data:x?}: {ours:#x}, not {theirs:#x}"));
                    }
                }
            }
        }
    }
    assert_eq!(differences, Vec::<String>::new());
    unknown
}

/// The architectures that a profile is about.
pub(crate) fn of(section: &Seccomp, native: Arch) -> Vec<Arch> {
    let mut archs: Vec<Arch> =
        section.architectures.iter().map(|name| Arch::named(name).unwrap()).collect();
    if !archs.contains(&native) {
        archs.push(native);
    }
    archs
}

/// The one thing that runtimes add to the library's filters: calls that are newer than everything that the profile
/// knows aren't there. On s390 a call that nobody knows has the number 0.
fn is_newer(section: &Seccomp, data: &Data, ours: Action) -> bool {
    let names = section.syscalls.iter().flat_map(|syscall| &syscall.names);
    let newest = names.filter_map(|name| data.arch.number(name)).max();
    let is_nobodys = data.number == 0 && data.arch.name().contains("S390");
    ours == Action::ENOSYS && (is_nobodys || newest.is_some_and(|newest| data.number > newest))
}

/// Whether the profile names a call that the installed library has no number for on this architecture, so that it has no
/// rule either.
fn is_unknown(section: &Seccomp, name: &str, data: &Data) -> bool {
    let is_named = section.syscalls.iter().flat_map(|syscall| &syscall.names).any(|n| n == name);
    let arch = of_library(data.arch).unwrap();
    let known = ScmpSyscall::from_name_by_arch(name, arch).map(ScmpSyscall::as_raw_syscall);
    is_named && !known.is_ok_and(|known| known.cast_unsigned() == data.number)
}

fn default(section: &Seccomp) -> Action {
    let nothing = Seccomp { syscalls: Vec::new(), architectures: Vec::new(), ..section.clone() };
    let program = Profile::read(&nothing, Arch::NATIVE).unwrap().compile().unwrap();
    program.answer(&Data { arch: Arch::NATIVE, number: 1, args: [0; 6] }).unwrap()
}

/// Arguments at the edges of everything that the profile says about a call: each combination of values at which a
/// condition of one rule may change, the others zero. Where arguments have 32 bits the upper half is zero.
pub(crate) fn arguments(section: &Seccomp, arch: Arch, number: u32) -> Vec<[u64; 6]> {
    let mut all = vec![[0; 6], [1; 6], [u64::MAX; 6]];
    let name = arch.call(number);
    if name.is_some_and(|name| ["socketcall", "ipc"].contains(&name)) {
        all.extend((0..=25).map(|gate| [gate, 0, 0, 0, 0, 0]));
    }
    let is_about = |syscall: &&Syscall| syscall.names.iter().any(|own| Some(&**own) == name);
    for syscall in section.syscalls.iter().filter(is_about) {
        let mut own = vec![[0; 6]];
        for arg in &syscall.args {
            let with = |args: &[u64; 6]| {
                let mut args = *args;
                edges(arg).map(move |edge| {
                    args[arg.index as usize] = edge;
                    args
                })
            };
            own = own.iter().flat_map(with).collect();
        }
        all.extend(own);
    }
    // The library compares half of x32's arguments.
    if arch == Arch::X32 || arch.name().ends_with("N32") || !arch.is_wide() {
        all.iter_mut().flatten().for_each(|argument| *argument &= 0xffff_ffff);
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Where a condition's answer may change: at its value, one beside it, in the other half, and in each bit of a mask.
fn edges(arg: &SyscallArg) -> impl Iterator<Item = u64> + use<> {
    let (value, two) = (arg.value, arg.value_two);
    let bits = (0..64).map(|bit| 1 << bit).filter(move |bit| value & bit != 0);
    let masked = arg.op == "SCMP_CMP_MASKED_EQ";
    let beside = [value.wrapping_sub(1), value, value.wrapping_add(1), value ^ (1 << 32), !value];
    let of_mask = masked.then(|| bits.map(move |bit| two ^ bit).chain([two, !value]));
    beside.into_iter().chain(of_mask.into_iter().flatten())
}
