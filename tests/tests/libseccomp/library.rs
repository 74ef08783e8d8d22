//! What the library makes of a profile, called as engines' runtimes call it.

use std::fs::File;
use std::io::{Read, Seek};

use coble_seccomp::{Arch, Instruction, Program};
use coble_spec::{Seccomp, Syscall, SyscallArg};
use libseccomp::{
    ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall,
};

/// How the library looks for a call's number, seccomp_attr_set(3), `SCMP_FLTATR_CTL_OPTIMIZE`.
#[derive(Clone, Copy)]
pub(crate) enum Search {
    /// One call after the other, the default.
    Line = 1,
    /// In a binary tree.
    Tree = 2,
}

/// The library's filter for a kernel of this architecture.
pub(crate) fn filter(section: &Seccomp, native: Arch, search: Search) -> Program {
    let default = action(&section.default_action, section.default_errno_ret);
    let mut filter = ScmpFilterContext::new(default).unwrap();
    filter.set_ctl_optimize(search as u32).unwrap();
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
    exported(&filter, native)
}

/// The profile as the library has it: it takes no rules whose action is the default one, and runtimes leave them out.
pub(crate) fn without_default_rules(mut section: Seccomp) -> Seccomp {
    let default = action(&section.default_action, section.default_errno_ret);
    section.syscalls.retain(|rule| action(&rule.action, rule.errno_ret) != default);
    section
}

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

fn exported(filter: &ScmpFilterContext, native: Arch) -> Program {
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
