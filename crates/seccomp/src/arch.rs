//! Architectures: their names, how the kernel tells them apart, and their calls' numbers.

use crate::table::{ARM_PRIVATE, CALLS, NONE};

/// An architecture as programs see it. x32 is one of its own, though the kernel tells it from x86-64 by a bit in the
/// call's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arch(u8);

/// What is known of an architecture.
struct Facts {
    /// Its name in a configuration, without `SCMP_ARCH_`.
    name: &'static str,
    /// `AUDIT_ARCH_*` (include/uapi/linux/audit.h): the ELF machine, and bits for 64-bit, little-endian, n32.
    audit: u32,
    /// Its column in the table.
    column: usize,
    /// Whether arguments have 64 bits.
    wide: bool,
}

const BIT64: u32 = 0x8000_0000;
const LITTLE: u32 = 0x4000_0000;
const N32: u32 = 0x2000_0000;
/// What x32 adds to its numbers (arch/x86/include/uapi/asm/unistd.h, `__X32_SYSCALL_BIT`).
pub(crate) const X32_BIT: u32 = 0x4000_0000;

const fn facts(name: &'static str, audit: u32, column: usize, wide: bool) -> Facts {
    Facts { name, audit, column, wide }
}

/// The architectures of runtime-spec 1.3 (config-linux.md, "Seccomp"). The machines' numbers are those of
/// include/uapi/linux/elf-em.h.
static ARCHS: [Facts; 23] = [
    facts("X86_64", 62 | BIT64 | LITTLE, 0, true),
    facts("X32", 62 | BIT64 | LITTLE, 1, true),
    facts("X86", 3 | LITTLE, 2, false),
    facts("ARM", 40 | LITTLE, 3, false),
    facts("AARCH64", 183 | BIT64 | LITTLE, 4, true),
    facts("RISCV64", 243 | BIT64 | LITTLE, 5, true),
    facts("LOONGARCH64", 258 | BIT64 | LITTLE, 6, true),
    facts("MIPS", 8, 7, false),
    facts("MIPSEL", 8 | LITTLE, 7, false),
    facts("MIPS64", 8 | BIT64, 8, true),
    facts("MIPSEL64", 8 | BIT64 | LITTLE, 8, true),
    facts("MIPS64N32", 8 | BIT64 | N32, 9, true),
    facts("MIPSEL64N32", 8 | BIT64 | LITTLE | N32, 9, true),
    facts("PPC", 20, 10, false),
    facts("PPC64", 21 | BIT64, 11, true),
    facts("PPC64LE", 21 | BIT64 | LITTLE, 11, true),
    facts("S390", 22, 12, false),
    facts("S390X", 22 | BIT64, 13, true),
    facts("PARISC", 15, 14, false),
    facts("PARISC64", 15 | BIT64, 15, true),
    facts("M68K", 4, 16, false),
    facts("SH", 42 | LITTLE, 17, false),
    facts("SHEB", 42, 17, false),
];

const PREFIX: &str = "SCMP_ARCH_";

impl Arch {
    /// x86-64.
    pub const X86_64: Self = Self(0);
    /// x86-64 with 32-bit pointers.
    pub const X32: Self = Self(1);
    /// 32-bit x86.
    pub const X86: Self = Self(2);
    /// 32-bit Arm.
    pub const ARM: Self = Self(3);
    /// 64-bit Arm.
    pub const AARCH64: Self = Self(4);

    /// The one of this program.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Self = Self::X86_64;
    /// The one of this program.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Self = Self::AARCH64;

    /// Every architecture.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).zip(&ARCHS).map(|(index, _)| Self(index))
    }

    /// The one with this name in a configuration, `SCMP_ARCH_X86_64`.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.strip_prefix(PREFIX)?;
        Self::all().find(|arch| arch.facts().name == name)
    }

    /// The one that engines' profiles call so, by libseccomp's names (scmp_arch(1)). Docker has a name of its own for
    /// one of them.
    pub(crate) fn engine_named(name: &str) -> Option<Self> {
        let name = match name {
            "amd64" => "X86_64",
            "arm64" => "AARCH64",
            "mips3l64n32" => "MIPSEL64N32",
            name if name.bytes().any(|byte| byte.is_ascii_uppercase()) => return None,
            name => name,
        };
        Self::all().find(|arch| arch.facts().name.eq_ignore_ascii_case(name))
    }

    /// The one that people call so: by its name in a configuration, also without the prefix and in small letters, or by
    /// that of engines' profiles.
    pub fn called(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix(PREFIX).unwrap_or(&upper);
        Self::engine_named(&bare.to_ascii_lowercase())
    }

    /// Its name in a configuration.
    pub fn name(self) -> String {
        format!("{PREFIX}{}", self.facts().name)
    }

    /// How the kernel names it to a filter, `AUDIT_ARCH_*`.
    pub fn audit(self) -> u32 {
        self.facts().audit
    }

    /// Whether arguments have 64 bits; else they have 32, and the kernel tells the rest as zero.
    pub fn is_wide(self) -> bool {
        self.facts().wide
    }

    /// Whether the lower half of a number comes first.
    pub fn is_little_endian(self) -> bool {
        self.audit() & LITTLE != 0
    }

    /// The number of the call with this name, as the kernel tells it to a filter.
    pub fn number(self, name: &str) -> Option<u32> {
        let row = row(name)?;
        self.number_in(row)
    }

    /// The architecture whose call this is, where the kernel tells two by the number; none for the number with which a
    /// tracer has a call left out.
    pub(crate) fn of_call(self, number: u32) -> Option<Self> {
        match self.audit() == Self::X86_64.audit() {
            true if number == u32::MAX => None,
            true if number >= X32_BIT => Some(Self::X32),
            true => Some(Self::X86_64),
            false => Some(self),
        }
    }

    /// The name of the call with this number.
    pub fn call(self, number: u32) -> Option<&'static str> {
        let mut rows = CALLS.iter().enumerate();
        rows.find(|(row, _)| self.number_in(*row) == Some(number)).map(|(_, (name, _))| *name)
    }

    /// Its calls in the order of their numbers.
    pub fn calls(self) -> Vec<(u32, &'static str)> {
        let rows = CALLS.iter().enumerate();
        let mut calls: Vec<_> =
            rows.filter_map(|(row, (name, _))| Some((self.number_in(row)?, *name))).collect();
        calls.sort_unstable();
        calls
    }

    /// The call through which the one with this name can be made, and the first argument that stands for it there.
    pub fn gate(self, name: &str) -> Option<(&'static str, u32, u32)> {
        let gate = gate(name)?;
        let number = self.number_in(gate.row)?;
        Some((CALLS[gate.row].0, number, gate.argument))
    }

    /// This one, and those whose programs a kernel of it may run as well (arch/x86, arch/arm64: `CONFIG_COMPAT` and
    /// `CONFIG_X86_X32_ABI`).
    pub fn and_compatible(self) -> impl Iterator<Item = Self> {
        let others: &[&str] = match self.facts().name {
            "X86_64" => &["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "AARCH64" => &["SCMP_ARCH_ARM"],
            _ => &[],
        };
        std::iter::once(self).chain(others.iter().filter_map(|name| Self::named(name)))
    }

    /// The one of a call that the kernel tells of, by `AUDIT_ARCH_*` and the call's number. The number with which a tracer has
    /// a call left out is x86-64's.
    pub fn told(audit: u32, number: u32) -> Option<Self> {
        let arch = Self::all().find(|arch| arch.audit() == audit)?;
        arch.of_call(number).or(Some(arch))
    }

    /// The number of the call in this row of the table.
    pub(crate) fn number_in(self, row: usize) -> Option<u32> {
        match CALLS[row].1[self.facts().column] {
            NONE => None,
            number if number >= ARM_PRIVATE => Some(0x0f_0000 + u32::from(number - ARM_PRIVATE)),
            number => Some(u32::from(number) + self.base()),
        }
    }

    /// Whether a call that the kernel doesn't know has the number 0: s390's setup(2) stands for all of them.
    pub(crate) fn has_setup(self) -> bool {
        self.facts().name.starts_with("S390")
    }

    /// What is added to the table's numbers.
    pub(crate) fn base(self) -> u32 {
        if self == Self::X32 { X32_BIT } else { 0 }
    }

    fn facts(self) -> &'static Facts {
        &ARCHS[usize::from(self.0)]
    }
}

/// The same as [`row`]. Profiles list names in order, so that the next one is a little further on.
pub(crate) fn row_near(near: usize, name: &str) -> Option<usize> {
    const FEW: usize = 6;
    let next = CALLS[near..].iter().take(FEW).position(|(call, _)| *call == name);
    next.map(|more| near + more).or_else(|| row(name))
}

/// The row of the call with this name, whatever architecture has it.
pub(crate) fn row(name: &str) -> Option<usize> {
    CALLS.binary_search_by_key(&name, |(call, _)| *call).ok()
}

/// A call through which others can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    /// Its row in the table.
    pub(crate) row: usize,
    /// The first argument that stands for the other.
    pub(crate) argument: u32,
}

/// The call that is made through another one with this first argument.
pub(crate) fn gated(through: &str, argument: u64) -> Option<&'static str> {
    let row = row(through)?;
    let is_it = |gate: Gate| gate.row == row && u64::from(gate.argument) == argument;
    CALLS.iter().map(|(name, _)| *name).find(|name| gate(name).is_some_and(is_it))
}

/// The call through which the one with this name can be made, where an architecture has it (socketcall(2),
/// include/uapi/linux/net.h; ipc(2), include/uapi/linux/ipc.h).
pub(crate) fn gate(name: &str) -> Option<Gate> {
    let (gate, argument) = match name {
        "socket" => ("socketcall", 1),
        "bind" => ("socketcall", 2),
        "connect" => ("socketcall", 3),
        "listen" => ("socketcall", 4),
        "accept" => ("socketcall", 5),
        "getsockname" => ("socketcall", 6),
        "getpeername" => ("socketcall", 7),
        "socketpair" => ("socketcall", 8),
        "send" => ("socketcall", 9),
        "recv" => ("socketcall", 10),
        "sendto" => ("socketcall", 11),
        "recvfrom" => ("socketcall", 12),
        "shutdown" => ("socketcall", 13),
        "setsockopt" => ("socketcall", 14),
        "getsockopt" => ("socketcall", 15),
        "sendmsg" => ("socketcall", 16),
        "recvmsg" => ("socketcall", 17),
        "accept4" => ("socketcall", 18),
        "recvmmsg" => ("socketcall", 19),
        "sendmmsg" => ("socketcall", 20),
        "semop" => ("ipc", 1),
        "semget" => ("ipc", 2),
        "semctl" => ("ipc", 3),
        "semtimedop" => ("ipc", 4),
        "msgsnd" => ("ipc", 11),
        "msgrcv" => ("ipc", 12),
        "msgget" => ("ipc", 13),
        "msgctl" => ("ipc", 14),
        "shmat" => ("ipc", 21),
        "shmdt" => ("ipc", 22),
        "shmget" => ("ipc", 23),
        "shmctl" => ("ipc", 24),
        _ => return None,
    };
    Some(Gate { row: row(gate)?, argument })
}
