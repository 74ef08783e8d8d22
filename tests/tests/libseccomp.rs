//! Filters are those of the C library: the same answers to every call.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use coble_seccomp::{Action, Arch, Data, Instruction, Profile, Program};
use coble_spec::{Seccomp, Syscall, SyscallArg};
use libseccomp::{
    ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall,
};

/// Architectures whose calls both know.
const ARCHS: [&str; 12] = [
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_X86",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_S390",
    "SCMP_ARCH_S390X",
];

fn action(name: &str, number: Option<u32>) -> ScmpAction {
    let number = number.unwrap_or(1);
    match name {
        "SCMP_ACT_ALLOW" => ScmpAction::Allow,
        "SCMP_ACT_ERRNO" => ScmpAction::Errno(number.try_into().unwrap()),
        "SCMP_ACT_TRACE" => ScmpAction::Trace(number.try_into().unwrap()),
        "SCMP_ACT_KILL_PROCESS" => ScmpAction::KillProcess,
        other => panic!("{other}"),
    }
}

fn condition(arg: &SyscallArg) -> ScmpArgCompare {
    let op = match arg.op.as_str() {
        "SCMP_CMP_NE" => ScmpCompareOp::NotEqual,
        "SCMP_CMP_LT" => ScmpCompareOp::Less,
        "SCMP_CMP_LE" => ScmpCompareOp::LessOrEqual,
        "SCMP_CMP_EQ" => ScmpCompareOp::Equal,
        "SCMP_CMP_GE" => ScmpCompareOp::GreaterEqual,
        "SCMP_CMP_GT" => ScmpCompareOp::Greater,
        "SCMP_CMP_MASKED_EQ" => ScmpCompareOp::MaskedEqual(arg.value),
        other => panic!("{other}"),
    };
    let value = if matches!(op, ScmpCompareOp::MaskedEqual(_)) { arg.value_two } else { arg.value };
    ScmpArgCompare::new(arg.index, op, value)
}

/// The library's filter for a kernel of this architecture.
fn theirs(section: &Seccomp, native: Arch) -> Program {
    let default = action(&section.default_action, section.default_errno_ret);
    let mut filter = ScmpFilterContext::new(default).unwrap();
    if native != Arch::NATIVE {
        filter.remove_arch(ScmpArch::Native).unwrap();
        filter.add_arch(native.name().parse::<ScmpArch>().unwrap()).unwrap();
    }
    for name in &section.architectures {
        filter.add_arch(name.parse::<ScmpArch>().unwrap()).unwrap();
    }
    for Syscall { names, action: name, errno_ret, args } in &section.syscalls {
        let action = action(name, *errno_ret);
        let conditions: Vec<ScmpArgCompare> = args.iter().map(condition).collect();
        for name in names {
            let Ok(call) = ScmpSyscall::from_name(name) else { continue };
            filter.add_rule_conditional(action, call, &conditions).unwrap();
        }
    }
    let mut file = tempfile();
    filter.export_bpf(&file).unwrap();
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    // It is written in the order of bytes of the machine that it is for.
    let is_little = native.is_little_endian();
    let instruction = |bytes: &[u8]| {
        let (code, k) = (bytes[..2].try_into().unwrap(), bytes[4..8].try_into().unwrap());
        let code = if is_little { u16::from_le_bytes(code) } else { u16::from_be_bytes(code) };
        let k = if is_little { u32::from_le_bytes(k) } else { u32::from_be_bytes(k) };
        Instruction { code, jt: bytes[2], jf: bytes[3], k }
    };
    Program::new(bytes.chunks_exact(8).map(instruction).collect())
}

fn tempfile() -> File {
    use rustix::fs::{MemfdFlags, memfd_create};
    memfd_create("filter", MemfdFlags::CLOEXEC).unwrap().into()
}

/// Compares the answers to every call number from 0 to 600, with these arguments. The library doesn't know of calls
/// that are newer than the profile.
fn compare(section: &Seccomp, native: Arch, arguments: &[u64]) {
    let ours = Profile::read(section, native).unwrap().compile().unwrap();
    let theirs = theirs(section, native);
    let listed = section.architectures.iter().map(|name| Arch::named(name).unwrap());
    let mut differences = Vec::new();
    for arch in listed.chain([native]) {
        let base = arch.number("read").unwrap() & !0xff & !7;
        for number in (base..=base + 600).chain([u32::MAX]) {
            for &argument in arguments {
                // The library compares half of x32's arguments.
                let is_half = arch == Arch::X32 || arch.name().ends_with("N32") || !arch.is_wide();
                let args = [if is_half { argument & 0xffff_ffff } else { argument }; 6];
                let data = Data { arch, number, args };
                let (ours, theirs) = (ours.answer(&data).unwrap(), theirs.answer(&data).unwrap());
                // Some of what it returns, but not all, is written in this machine's order.
                let turned = Action::of(theirs.value().swap_bytes());
                let is_same = ours == theirs || !native.is_little_endian() && ours == turned;
                if !is_same && ours != Action::ENOSYS {
                    let name = arch.call(number).unwrap_or("unknown");
                    let (ours, theirs) = (ours.value(), theirs.value());
                    differences.push(format!(
                        "{} {number} {name} {args:x?}: {ours:#x}, not {theirs:#x}",
                        arch.name()
                    ));
                }
            }
        }
    }
    assert_eq!(differences, Vec::<String>::new());
}

const ARGUMENTS: [u64; 9] =
    [0, 1, 8, 40, 0x0002_0000, 0x1000_0000, 0x7e02_0000, 0xffff_ffff, u64::MAX];

/// What Docker Engine writes (see docker.md beside it).
fn docker() -> Seccomp {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/docker-20.10-seccomp.json");
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    serde_json::from_value(config["linux"]["seccomp"].clone()).unwrap()
}

#[test]
fn the_profile_of_an_engine() {
    let section = docker();
    assert!(section.architectures.len() == 3 && section.syscalls.len() > 3, "{section:?}");
    compare(&section, Arch::X86_64, &ARGUMENTS);
}

#[test]
fn the_same_profile_elsewhere() {
    let mut section = docker();
    section.architectures.clear();
    for name in ARCHS {
        compare(&section, Arch::named(name).unwrap(), &ARGUMENTS);
    }
}
