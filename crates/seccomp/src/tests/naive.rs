//! What a profile says about one call, rule by rule.

use coble_spec::{Seccomp, Syscall, SyscallArg};

use crate::{Arch, Data};

const ENOSYS: u32 = 0x0005_0000 + 38;
const KILL_THREAD: u32 = 0;

pub(super) fn answer(section: &Seccomp, native: Arch, data: &Data) -> u32 {
    let mut archs = vec![native];
    archs.extend(
        section.architectures.iter().map(|name| Arch::named(name).expect("an architecture")),
    );
    let default = action(&section.default_action, section.default_errno_ret);
    let is_x86_64 = data.arch.audit() == Arch::X86_64.audit();
    let has_x86_64 = archs.contains(&Arch::X86_64) || archs.contains(&Arch::X32);
    // With x32 it is one of that kind.
    if is_x86_64 && has_x86_64 && data.number == u32::MAX && !archs.contains(&Arch::X32) {
        return default;
    }
    let arch = match data.number & 0x4000_0000 != 0 || data.number > 0x4000_0000 {
        true if is_x86_64 => Arch::X32,
        _ if is_x86_64 => Arch::X86_64,
        _ => data.arch,
    };
    if !archs.contains(&arch) {
        return KILL_THREAD;
    }
    let names = || section.syscalls.iter().flat_map(|syscall| &syscall.names);
    let newest = names().flat_map(|name| numbers(arch, name)).max();
    let is_open = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"]
        .contains(&section.default_action.as_str());
    if !is_open && newest.is_some_and(|newest| data.number > newest) {
        return ENOSYS;
    }
    if !is_open
        && default != ENOSYS
        && newest.is_some()
        && data.number == 0
        && arch.name().contains("S390")
    {
        return ENOSYS;
    }
    let found = section.syscalls.iter().find_map(|syscall| decide(syscall, arch, data, default));
    found.unwrap_or(default)
}

/// A call's own number, and that of the call through which it can be made.
fn numbers(arch: Arch, name: &str) -> Vec<u32> {
    let gate = gate(name).and_then(|(gate, _)| arch.number(gate));
    arch.number(name).into_iter().chain(gate).collect()
}

fn gate(name: &str) -> Option<(&'static str, u64)> {
    const SOCKETCALL: [&str; 20] = [
        "socket",
        "bind",
        "connect",
        "listen",
        "accept",
        "getsockname",
        "getpeername",
        "socketpair",
        "send",
        "recv",
        "sendto",
        "recvfrom",
        "shutdown",
        "setsockopt",
        "getsockopt",
        "sendmsg",
        "recvmsg",
        "accept4",
        "recvmmsg",
        "sendmmsg",
    ];
    const IPC: [(&str, u64); 12] = [
        ("semop", 1),
        ("semget", 2),
        ("semctl", 3),
        ("semtimedop", 4),
        ("msgsnd", 11),
        ("msgrcv", 12),
        ("msgget", 13),
        ("msgctl", 14),
        ("shmat", 21),
        ("shmdt", 22),
        ("shmget", 23),
        ("shmctl", 24),
    ];
    let socket =
        SOCKETCALL.iter().position(|call| *call == name).map(|at| ("socketcall", at as u64 + 1));
    socket
        .or_else(|| IPC.iter().find(|(call, _)| *call == name).map(|(_, number)| ("ipc", *number)))
}

fn decide(syscall: &Syscall, arch: Arch, data: &Data, default: u32) -> Option<u32> {
    let action = action(&syscall.action, syscall.errno_ret);
    for name in &syscall.names {
        if arch.number(name) == Some(data.number) && holds(syscall, arch, data) {
            return Some(action);
        }
        let Some((gate, number)) = gate(name) else { continue };
        if arch.number(gate) != Some(data.number) || argument(arch, data, 0) != number {
            continue;
        }
        let rank = |action: u32| (action & 0xffff_0000) as i32;
        if syscall.args.is_empty() || rank(action) < rank(default) {
            return Some(action);
        }
    }
    None
}

fn holds(syscall: &Syscall, arch: Arch, data: &Data) -> bool {
    let mut met = syscall.args.iter().map(|arg| compare(arg, arch, data));
    let is_twice =
        |arg: &SyscallArg| syscall.args.iter().filter(|other| other.index == arg.index).count() > 1;
    match syscall.args.iter().any(is_twice) {
        true => met.any(|met| met),
        false => met.all(|met| met),
    }
}

fn argument(arch: Arch, data: &Data, index: usize) -> u64 {
    if arch.is_wide() { data.args[index] } else { u64::from(data.args[index] as u32) }
}

fn compare(arg: &SyscallArg, arch: Arch, data: &Data) -> bool {
    let found = argument(arch, data, arg.index as usize);
    // A negative number has as many bits as the arguments have.
    let width = |value: u64| match (value as i64) < 0 && value as i64 >= i64::from(i32::MIN) {
        true if !arch.is_wide() => value & 0xffff_ffff,
        _ => value,
    };
    let value = width(arg.value);
    match arg.op.as_str() {
        "SCMP_CMP_NE" => found != value,
        "SCMP_CMP_LT" => found < value,
        "SCMP_CMP_LE" => found <= value,
        "SCMP_CMP_EQ" => found == value,
        "SCMP_CMP_GE" => found >= value,
        "SCMP_CMP_GT" => found > value,
        "SCMP_CMP_MASKED_EQ" => found & arg.value == width(arg.value_two & arg.value),
        other => panic!("{other}"),
    }
}

fn action(name: &str, number: Option<u32>) -> u32 {
    match name {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => KILL_THREAD,
        "SCMP_ACT_KILL_PROCESS" => 0x8000_0000,
        "SCMP_ACT_TRAP" => 0x0003_0000,
        "SCMP_ACT_ERRNO" => 0x0005_0000 + number.unwrap_or(1),
        "SCMP_ACT_NOTIFY" => 0x7fc0_0000,
        "SCMP_ACT_TRACE" => 0x7ff0_0000 + number.unwrap_or(1),
        "SCMP_ACT_LOG" => 0x7ffc_0000,
        "SCMP_ACT_ALLOW" => 0x7fff_0000,
        other => panic!("{other}"),
    }
}
