//! System calls through which containers have been left, or that reach parts of the kernel where flaws are found again
//! and again.
//!
//! What is in the table was gathered from capabilities(7) and the calls' own man pages (section 2), from the reasons that
//! Docker gives for what its profile denies (docs.docker.com, "Seccomp security profiles for Docker"), and from the flaws
//! that are named.

use crate::arch::Arch;
use crate::constant::value;

/// A call that few containers need and that is worth a thought.
pub(crate) struct Danger {
    pub(crate) name: &'static str,
    /// What it takes besides the filter's consent; empty if nothing.
    pub(crate) capability: &'static str,
    pub(crate) reason: &'static str,
    /// The arguments that make it one, if not all do: which argument, and a value.
    pub(crate) argument: Option<(usize, u64)>,
    /// Whether the kernel takes only the lower 32 bits of that argument, whatever the others are.
    pub(crate) is_short: bool,
}

/// A line for each, in the order of names: the name; an argument as `INDEX=VALUE`, with `!` behind it where the kernel
/// refuses unknown bits in the upper half, too; a capability; and the reason. A dash stands for none.
const TABLE: &str = include_str!("dangers.txt");

/// The table's rows.
pub(crate) fn dangers() -> impl Iterator<Item = Danger> {
    TABLE.lines().filter_map(|line| {
        let mut words = line.splitn(4, ' ');
        let name = words.next()?;
        let argument = words.next()?;
        let capability = words.next()?;
        let is_short = !argument.ends_with('!');
        let argument = argument.trim_end_matches('!').split_once('=');
        let argument = argument.and_then(|(index, text)| Some((index.parse().ok()?, value(text)?)));
        let capability = if capability == "-" { "" } else { capability };
        Some(Danger { name, capability, reason: words.next()?, argument, is_short })
    })
}

/// The argument of clone(2) that has the flags: on s390 it is the second one.
pub(crate) fn argument(danger: &Danger, arch: Arch) -> Option<(usize, u64)> {
    let is_swapped = danger.name == "clone" && arch.has_setup();
    danger.argument.map(|(index, value)| (if is_swapped { 1 } else { index }, value))
}
