//! Names, numbers and sets of capabilities(7).

use std::fmt;

use coble_spec::{Capabilities, Process};

use crate::error::Error;

/// Every capability of `linux/capability.h` up to Linux 6.18; a name's place in the list is its number.
pub const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The number of a capability; the name is taken exactly as capabilities(7) writes it.
pub(crate) fn number(name: &str) -> Option<u8> {
    NAMES.iter().zip(0..).find_map(|(known, number)| (*known == name).then_some(number))
}

/// The name of a capability, `None` beyond [`NAMES`].
pub(crate) fn name(number: u8) -> Option<&'static str> {
    NAMES.get(usize::from(number)).copied()
}

/// The set that `names` spell: bit N stands for capability N. A name may stand twice.
///
/// # Errors
/// The place and the text of the first name that isn't one.
pub(crate) fn mask(names: &[String]) -> Result<u64, Unknown> {
    names.iter().enumerate().try_fold(0, |mask, (index, text)| match number(text) {
        Some(number) => Ok(mask | 1 << number),
        None => Err(Unknown { index, name: text.clone() }),
    })
}

/// The lowest capability of a set.
pub(crate) fn first(mask: u64) -> Option<&'static str> {
    u8::try_from(mask.trailing_zeros()).ok().and_then(name)
}

/// A name that is no capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// Its place in the list.
    pub index: usize,
    /// The name as written.
    pub name: String,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown capability {:?}", self.name)
    }
}

impl std::error::Error for Unknown {}

/// What a process does not get of the capabilities that it asks for.
pub(crate) fn warnings(process: &Process) -> Vec<Error> {
    let sets = process.capabilities.as_ref().and_then(|lists| Sets::of(lists).ok());
    sets.map_or_else(Vec::new, |sets| sets.warnings())
}

/// The five sets of a thread, as masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sets {
    /// Upper bound of what an exec can gain.
    pub bounding: u64,
    /// What the kernel checks.
    pub effective: u64,
    /// What an exec keeps together with the file's own set.
    pub inheritable: u64,
    /// Upper bound of the effective set.
    pub permitted: u64,
    /// What an exec of an unprivileged file keeps, as asked for; see [`Sets::raisable_ambient`].
    pub ambient: u64,
}

impl Sets {
    /// Reads the five lists.
    ///
    /// # Errors
    /// The name of the list (as in `config.json`) and what stands wrong in it.
    pub(crate) fn of(lists: &Capabilities) -> Result<Self, (&'static str, Unknown)> {
        let read =
            |list: &'static str, names: &[String]| mask(names).map_err(|error| (list, error));
        Ok(Self {
            bounding: read("bounding", &lists.bounding)?,
            effective: read("effective", &lists.effective)?,
            inheritable: read("inheritable", &lists.inheritable)?,
            permitted: read("permitted", &lists.permitted)?,
            ambient: read("ambient", &lists.ambient)?,
        })
    }

    /// The part of the ambient set that the kernel lets a thread raise: only what is both permitted and
    /// inheritable (PR_CAP_AMBIENT in prctl(2)).
    ///
    /// The rest is left out with a warning, not refused: configurations written by older versions of runc name
    /// ambient capabilities and no inheritable ones, and every runtime runs them without. The container has less
    /// than it asked for, never more.
    pub(crate) fn raisable_ambient(&self) -> u64 {
        self.ambient & self.permitted & self.inheritable
    }

    /// What is said of the rest.
    pub(crate) fn warnings(&self) -> Vec<Error> {
        let left_out = self.ambient & !self.raisable_ambient();
        let names = NAMES.iter().enumerate().filter(|(number, _)| left_out & 1 << number != 0);
        names
            .map(|(_, name)| {
                Error::new(format!(
                    "can't raise ambient capability {name}: it is not both permitted and inheritable"
                ))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn numbers_are_those_of_the_kernel() {
        let known =
            [("CAP_CHOWN", 0), ("CAP_KILL", 5), ("CAP_SYS_ADMIN", 21), ("CAP_AUDIT_READ", 37)];
        for (text, value) in known {
            assert_eq!(number(text), Some(value), "{text}");
        }
        assert_eq!(number("CAP_CHECKPOINT_RESTORE"), Some(40));
        for value in 0..41 {
            assert_eq!(number(name(value).unwrap()), Some(value));
        }
        assert_eq!(name(41), None);
        assert_eq!(name(255), None);
    }

    #[test]
    fn names_are_taken_literally() {
        for text in
            ["", "KILL", "cap_kill", "CAP_KILL ", " CAP_KILL", "CAP_KILL\0", "5", "CAP_", "CAP_41"]
        {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn masks_are_unions_and_errors_say_where() {
        assert_eq!(mask(&[]), Ok(0));
        assert_eq!(mask(&list(&["CAP_KILL", "CAP_CHOWN", "CAP_KILL"])), Ok(0b10_0001));
        let all: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(mask(&all), Ok((1 << 41) - 1));
        let error = mask(&list(&["CAP_KILL", "CAP_\nMOON", "X"])).unwrap_err();
        assert_eq!(error.index, 1);
        assert_eq!(error.to_string(), r#"unknown capability "CAP_\nMOON""#);
    }

    #[test]
    fn the_first_of_a_set() {
        assert_eq!(first(0), None);
        assert_eq!(first(1 << 40 | 1 << 21), Some("CAP_SYS_ADMIN"));
        assert_eq!(first(1 << 63), None);
    }

    #[test]
    fn sets_keep_apart_and_name_the_list() {
        let lists = Capabilities {
            bounding: list(&["CAP_CHOWN"]),
            effective: list(&["CAP_DAC_OVERRIDE"]),
            inheritable: list(&["CAP_DAC_READ_SEARCH"]),
            permitted: list(&["CAP_FOWNER"]),
            ambient: list(&["CAP_FSETID"]),
        };
        let sets = Sets::of(&lists).unwrap();
        let expected =
            Sets { bounding: 1, effective: 2, inheritable: 4, permitted: 8, ambient: 16 };
        assert_eq!(sets, expected);
        let broken = Capabilities { permitted: list(&["CAP_CHOWN", "X"]), ..lists };
        assert_eq!(
            Sets::of(&broken).unwrap_err(),
            ("permitted", Unknown { index: 1, name: "X".into() })
        );
    }

    #[test]
    fn ambient_needs_permitted_and_inheritable() {
        let sets = Sets { permitted: 0b110, inheritable: 0b011, ambient: 0b111, ..Sets::default() };
        assert_eq!(sets.raisable_ambient(), 0b010);
        assert_eq!(Sets { inheritable: 0, ..sets }.raisable_ambient(), 0);
        let said: Vec<String> = sets.warnings().iter().map(ToString::to_string).collect();
        let why = "it is not both permitted and inheritable";
        assert_eq!(
            said,
            ["CHOWN", "DAC_READ_SEARCH"]
                .map(|name| format!("can't raise ambient capability CAP_{name}: {why}"))
        );
    }
}
