//! `cargo xtask syscalls TREE...`: the table of system call numbers, made from the kernel's own.
//!
//! The trees are unpacked kernel sources, the newest first. Where it has dropped an architecture's calls, the next
//! one that has them is read.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::{Result, process};

const DEADLINE: Duration = Duration::from_secs(60);
const FILE: &str = "crates/seccomp/src/table.rs";

/// One column: whose numbers these are, in which file they stand, the ABIs of that file (its second column; those of
/// the common table are in each architecture's `kernel/Makefile.syscalls`), and what is added to each number.
struct Column(&'static str, &'static str, &'static [&'static str], u32);

const GENERIC: &str = "scripts/syscall.tbl";
const X86_64: &str = "arch/x86/entry/syscalls/syscall_64.tbl";
const POWERPC: &str = "arch/powerpc/kernel/syscalls/syscall.tbl";
const S390: &str = "arch/s390/kernel/syscalls/syscall.tbl";
const PARISC: &str = "arch/parisc/kernel/syscalls/syscall.tbl";

const COLUMNS: [Column; 18] = [
    Column("x86_64", X86_64, &["common", "64"], 0),
    Column("x32", X86_64, &["common", "x32"], 0),
    Column("x86", "arch/x86/entry/syscalls/syscall_32.tbl", &["i386"], 0),
    Column("arm", "arch/arm/tools/syscall.tbl", &["common"], 0),
    Column("aarch64", GENERIC, &["common", "64", "renameat", "rlimit", "memfd_secret"], 0),
    Column("riscv64", GENERIC, &["common", "64", "riscv", "rlimit", "memfd_secret"], 0),
    Column("loongarch64", GENERIC, &["common", "64", "memfd_secret"], 0),
    Column("mips", "arch/mips/kernel/syscalls/syscall_o32.tbl", &["o32"], 4000),
    Column("mips64", "arch/mips/kernel/syscalls/syscall_n64.tbl", &["common", "n64"], 5000),
    Column("mips64n32", "arch/mips/kernel/syscalls/syscall_n32.tbl", &["n32"], 6000),
    Column("ppc", POWERPC, &["common", "nospu", "32"], 0),
    Column("ppc64", POWERPC, &["common", "nospu", "64"], 0),
    Column("s390", S390, &["common", "32"], 0),
    Column("s390x", S390, &["common"], 0),
    Column("parisc", PARISC, &["common", "32"], 0),
    Column("parisc64", PARISC, &["common", "64"], 0),
    Column("m68k", "arch/m68k/kernel/syscalls/syscall.tbl", &["common"], 0),
    Column("sh", "arch/sh/kernel/syscalls/syscall.tbl", &["common"], 0),
];

/// Calls of 32-bit Arm that stand in no table (arch/arm/include/uapi/asm/unistd.h, `__ARM_NR_*`).
const ARM: [(&str, u16); 6] = [
    ("breakpoint", 1),
    ("cacheflush", 2),
    ("usr26", 3),
    ("usr32", 4),
    ("set_tls", 5),
    ("get_tls", 6),
];
/// Where those begin in the table, for their numbers are wider than its own.
const ARM_PRIVATE: u16 = 0xf000;

/// Second names that programs' headers give to a call (include/uapi/asm/unistd.h of the architecture).
const ALIASES: [(&str, &str, &str); 1] = [("arm", "arm_sync_file_range", "sync_file_range2")];

/// The numbers of one call, by column.
type Numbers = [Option<u16>; COLUMNS.len()];

pub(crate) fn run(args: &[String]) -> Result<()> {
    if args.is_empty() {
        return Err("usage: cargo xtask syscalls TREE...".to_owned());
    }
    let trees: Vec<PathBuf> = args.iter().map(PathBuf::from).collect();
    let mut calls: BTreeMap<String, Numbers> = BTreeMap::new();
    let mut sources = String::new();
    for (index, column) in COLUMNS.iter().enumerate() {
        let (tree, numbers) = read(&trees, column)?;
        writeln!(sources, "//! | `{}` | {} | Linux {} |", column.0, column.1, version(tree)?)
            .map_err(|e| e.to_string())?;
        for (name, number) in numbers {
            calls.entry(name).or_default()[index] = Some(number);
        }
    }
    fs::write(FILE, text(&sources, &calls)).map_err(|e| format!("{FILE}: {e}"))?;
    process::succeed(Command::new("rustfmt").args(["--edition", "2024", FILE]), DEADLINE).map(drop)
}

/// The first tree that has every ABI of the column, and the numbers of its calls.
fn read<'a>(trees: &'a [PathBuf], column: &Column) -> Result<(&'a Path, Vec<(String, u16)>)> {
    let Column(name, file, abis, base) = column;
    for tree in trees {
        let path = tree.join(file);
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let rows: Vec<[&str; 3]> = text.lines().filter_map(row).collect();
        if abis.iter().all(|abi| rows.iter().any(|[_, found, _]| found == abi)) {
            let own = rows.into_iter().filter(|[_, abi, _]| abis.contains(abi));
            let mut numbers = own
                .map(|[number, _, call]| {
                    let number =
                        number.parse::<u32>().ok().and_then(|n| u16::try_from(n + base).ok());
                    let number = number.ok_or_else(|| format!("{}: {call}", path.display()))?;
                    Ok((call.to_owned(), number))
                })
                .collect::<Result<Vec<_>>>()?;
            extend(name, &mut numbers);
            return Ok((tree, numbers));
        }
    }
    Err(format!("no tree has {abis:?} in {file}"))
}

/// A row's number, ABI and name.
fn row(line: &str) -> Option<[&str; 3]> {
    let mut words = line.split('#').next()?.split_whitespace();
    Some([words.next()?, words.next()?, words.next()?])
}

/// Adds what stands elsewhere, and takes away what is reserved and no call.
fn extend(column: &str, numbers: &mut Vec<(String, u16)>) {
    if column == "arm" {
        numbers.extend(ARM.map(|(name, number)| (name.to_owned(), ARM_PRIVATE + number)));
    }
    for (_, name, alias) in ALIASES.iter().filter(|(of, ..)| *of == column) {
        let same = numbers.iter().find(|(call, _)| call == name).map(|(_, number)| *number);
        numbers.extend(same.map(|number| ((*alias).to_owned(), number)));
    }
    numbers.retain(|(name, _)| !name.starts_with("reserved"));
}

/// `VERSION.PATCHLEVEL.SUBLEVEL` of the tree's Makefile.
fn version(tree: &Path) -> Result<String> {
    let path = tree.join("Makefile");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let part = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('='));
        line.map(str::trim).ok_or_else(|| format!("{}: no {name}", path.display()))
    };
    Ok(format!("{}.{}.{}", part("VERSION")?, part("PATCHLEVEL")?, part("SUBLEVEL")?))
}

fn text(sources: &str, calls: &BTreeMap<String, Numbers>) -> String {
    let mut text = format!(
        "//! Numbers of system calls, from the kernel's tables. Made by `cargo xtask syscalls`; not to be edited.\n//!\n\
         //! | Column | Table | Source |\n//! |---|---|---|\n{sources}\n\
         /// How many columns there are.\npub(crate) const COLUMNS: usize = {};\n\
         /// No such call.\npub(crate) const NONE: u16 = u16::MAX;\n\
         /// From here on, calls that are 32-bit Arm's own: its number is 0x0f0000 and what is above this.\n\
         pub(crate) const ARM_PRIVATE: u16 = {ARM_PRIVATE:#x};\n\n\
         /// Each call's name, in order, and its numbers.\n#[rustfmt::skip]\n\
         pub(crate) static CALLS: [(&str, [u16; COLUMNS]); {}] = [\n",
        COLUMNS.len(),
        calls.len()
    );
    for (name, numbers) in calls {
        let numbers = numbers.map(|number| number.map_or("NONE".to_owned(), |n| n.to_string()));
        let _ = writeln!(text, "    ({name:?}, [{}]),", numbers.join(", "));
    }
    text.push_str("];\n");
    text
}
