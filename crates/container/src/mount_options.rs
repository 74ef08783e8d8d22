//! Mount options as fstab(5) writes them, sorted by the kernel interface that takes them.
//!
//! One word can concern up to three things: the mount (nosuid, noatime: `mount_setattr(2)`, `fsmount(2)`),
//! the file system below it, whatever number of mounts show it (sync, lazytime, `size=`: `fsconfig(2)`), or
//! the place of the mount in the tree (shared, slave).
//!
//! `ro` and `rw` concern two of them. mount(2) with MS_RDONLY makes a new file system read-only as a whole
//! *and* its mount; on a bind mount only the mount. So `ro` stands in [`MountOptions::attr_set`] and in
//! [`MountOptions::superblock_set`]. Whoever mounts
//! - a bind mount uses the attributes alone, as the kernel would;
//! - a new file system uses both, so that an `rw` remount of one mount doesn't open the file system;
//! - a tmpfs, or whatever is mounted on `/dev`, uses the attributes alone, and these last: files are still
//!   to be made in it.

mod data;
mod id_map;
mod known;

use std::fmt;
use std::str::FromStr;

pub(crate) use data::Datum;
pub(crate) use id_map::{IdMap, Range};
pub(crate) use known::known;

/// Attributes of one mount, `MOUNT_ATTR_*` of `linux/mount.h`, mount_setattr(2).
#[allow(missing_docs)]
pub(crate) mod attr {
    pub(crate) const RDONLY: u64 = 0x01;
    pub(crate) const NOSUID: u64 = 0x02;
    pub(crate) const NODEV: u64 = 0x04;
    pub(crate) const NOEXEC: u64 = 0x08;
    /// The bits that hold one of the three ways to keep access times.
    pub(crate) const ATIME: u64 = 0x70;
    pub(crate) const RELATIME: u64 = 0x00;
    pub(crate) const NOATIME: u64 = 0x10;
    pub(crate) const STRICTATIME: u64 = 0x20;
    pub(crate) const NODIRATIME: u64 = 0x80;
    /// Since Linux 5.14; mount(2) has it since 5.10.
    pub(crate) const NOSYMFOLLOW: u64 = 0x20_0000;
}

/// Flags of mount(2), `MS_*` of `linux/mount.h`.
#[allow(missing_docs)]
pub(crate) mod ms {
    pub(crate) const RDONLY: u64 = 1;
    pub(crate) const NOSUID: u64 = 1 << 1;
    pub(crate) const NODEV: u64 = 1 << 2;
    pub(crate) const NOEXEC: u64 = 1 << 3;
    pub(crate) const SYNCHRONOUS: u64 = 1 << 4;
    pub(crate) const MANDLOCK: u64 = 1 << 6;
    pub(crate) const DIRSYNC: u64 = 1 << 7;
    pub(crate) const NOSYMFOLLOW: u64 = 1 << 8;
    pub(crate) const NOATIME: u64 = 1 << 10;
    pub(crate) const NODIRATIME: u64 = 1 << 11;
    pub(crate) const REC: u64 = 1 << 14;
    pub(crate) const SILENT: u64 = 1 << 15;
    pub(crate) const UNBINDABLE: u64 = 1 << 17;
    pub(crate) const PRIVATE: u64 = 1 << 18;
    pub(crate) const SLAVE: u64 = 1 << 19;
    pub(crate) const SHARED: u64 = 1 << 20;
    pub(crate) const RELATIME: u64 = 1 << 21;
    pub(crate) const I_VERSION: u64 = 1 << 23;
    pub(crate) const STRICTATIME: u64 = 1 << 24;
    pub(crate) const LAZYTIME: u64 = 1 << 25;
}

/// What a list of options asks for; where two contradict each other the later one has won.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MountOptions {
    /// [`attr`] bits to set on the mount. Those of a new mount, as fsmount(2) takes them.
    pub attr_set: u64,
    /// [`attr`] bits to clear first. Holds [`attr::ATIME`] whenever the access time mode is chosen.
    pub attr_clr: u64,
    /// As `attr_set`, on the mount and on every one below it. Needs mount_setattr(2), Linux 5.12: mount(2)
    /// has nothing like it.
    pub recursive_set: u64,
    /// As `attr_clr`, on the mount and on every one below it.
    pub recursive_clr: u64,
    /// [`ms`] flags to set on the file system; without meaning for a bind mount.
    pub superblock_set: u64,
    /// [`ms`] flags to clear on the file system: those of a remount, since a new one has none.
    pub superblock_clr: u64,
    /// Changes of propagation, to make in this order.
    pub propagation: Vec<Propagation>,
    /// Show what is already mounted or on disk elsewhere.
    pub bind: bool,
    /// With all that is mounted below it (`rbind`).
    pub recursive: bool,
    /// Change the mount that is already there.
    pub remount: bool,
    /// Fill the new tmpfs with what it covers (`tmpcopyup`).
    pub copy_up: bool,
    /// Map the ids of the mount (`idmap`, `ridmap`).
    pub id_map: Option<IdMap>,
    /// Parameters of the file system, in the order written.
    pub data: Vec<Datum>,
}

impl MountOptions {
    /// Sorts `options`. An element may hold several options with commas between them.
    ///
    /// What isn't known here is the file system's own business and becomes [`MountOptions::data`].
    ///
    /// # Errors
    /// An option that coble knows and can't do, or one without a name.
    pub(crate) fn parse<S: AsRef<str>>(options: &[S]) -> Result<Self, BadOption> {
        let mut parsed = Self::default();
        for (index, element) in options.iter().enumerate() {
            for option in data::split(element.as_ref()) {
                let bad = |reason| BadOption { index, option: option.to_owned(), reason };
                parsed.apply(option).map_err(bad)?;
            }
        }
        Ok(parsed)
    }

    /// Whether a mount of this type with these options shows a directory or file that is there.
    pub(crate) fn binds(&self, kind: &str) -> bool {
        self.bind || kind == "bind"
    }

    /// Whether what lies below a mount is to be changed too.
    pub(crate) fn is_recursive(&self) -> bool {
        (self.recursive_set, self.recursive_clr) != (0, 0)
    }

    /// Nothing lies below a new file system: what is asked for all of it is asked for the mount.
    pub(crate) fn reach_the_mount(&mut self) {
        self.attr_set = self.attr_set & !self.recursive_clr | self.recursive_set;
        self.attr_clr = self.attr_clr & !self.recursive_set | self.recursive_clr;
    }

    fn apply(&mut self, option: &str) -> Result<(), &'static str> {
        match option {
            "" | "defaults" => {}
            "bind" => (self.bind, self.recursive) = (true, false),
            "rbind" => (self.bind, self.recursive) = (true, true),
            "remount" => self.remount = true,
            "tmpcopyup" => self.copy_up = true,
            _ => match IdMap::parse(option) {
                Some(map) => self.id_map = Some(map?),
                None => self.apply_flag(option)?,
            },
        }
        Ok(())
    }

    fn apply_flag(&mut self, option: &str) -> Result<(), &'static str> {
        let attribute = Attribute::of(option);
        let superblock = superblock_flag(option);
        if let Some(attribute) = attribute {
            attribute.apply(&mut self.attr_set, &mut self.attr_clr);
        }
        if let Some((flag, on)) = superblock {
            change(&mut self.superblock_set, &mut self.superblock_clr, flag, on);
        }
        if attribute.is_some() || superblock.is_some() {
            return Ok(());
        }
        if let Ok(propagation) = option.parse() {
            self.propagation.push(propagation);
        } else if let Some(attribute) = option.strip_prefix('r').and_then(Attribute::of) {
            attribute.apply(&mut self.recursive_set, &mut self.recursive_clr);
        } else {
            self.data.push(Datum::parse(option).ok_or("an option needs a name")?);
        }
        Ok(())
    }

    /// The flags of the file system that fsconfig(2) takes by name (FSCONFIG_SET_FLAG), `ro` among them.
    ///
    /// `silent` is not there: with that interface the file system's messages go to the caller anyway. Nor is
    /// `iversion`, which mount(2) alone can ask for, see [`MountOptions::needs_mount`].
    pub(crate) fn fsconfig_flags(&self) -> impl Iterator<Item = &'static str> {
        let (set, clear) = (self.superblock_set, self.superblock_clr);
        let set = SET.into_iter().filter(move |(flag, _)| set & flag != 0);
        let clear = CLEAR.into_iter().filter(move |(flag, _)| clear & flag != 0);
        set.chain(clear).map(|(_, name)| name)
    }

    /// The first word that is about the file system and not about its mount; `ro` and `rw` are about both.
    pub(crate) fn of_the_file_system(&self) -> Option<&str> {
        let version = (self.superblock_set | self.superblock_clr) & ms::I_VERSION != 0;
        let key = self.data.first().map(|datum| datum.key.as_str());
        key.or_else(|| self.fsconfig_flags().find(|flag| !matches!(*flag, "ro" | "rw")))
            .or_else(|| version.then_some("iversion"))
    }

    /// The first word that asks something of the file system that it doesn't do by itself. Where a mount is made
    /// of what is there already, the kernel ignores it. `ro` is about the mount, too, and `silent` about the
    /// call.
    pub(crate) fn asked_of_the_file_system(&self) -> Option<&str> {
        let version = self.superblock_set & ms::I_VERSION != 0;
        let set = SET.iter().filter(|(flag, _)| self.superblock_set & flag & !ms::RDONLY != 0);
        let key = self.data.first().map(|datum| datum.key.as_str());
        key.or_else(|| set.map(|(_, name)| *name).next()).or(version.then_some("iversion"))
    }

    /// Whether something is asked for that only mount(2) can do, not fsopen(2): `iversion`.
    pub(crate) fn needs_mount(&self) -> bool {
        !self.bind && self.superblock_set & ms::I_VERSION != 0
    }

    /// The mount's own flags as mount(2) takes them, for a mount that has the flags `current` so far:
    /// zero for a new one.
    pub(crate) fn mount_flags(&self, current: u64) -> u64 {
        let cleared = match self.attr_clr & attr::ATIME {
            0 => 0,
            _ => ms::NOATIME | ms::RELATIME | ms::STRICTATIME,
        };
        let chosen = match (cleared, self.attr_set & attr::ATIME) {
            (0, _) => 0,
            (_, attr::NOATIME) => ms::NOATIME,
            (_, attr::STRICTATIME) => ms::STRICTATIME,
            _ => ms::RELATIME,
        };
        let cleared = cleared | one_by_one(self.attr_clr);
        current & !cleared | one_by_one(self.attr_set) | chosen
    }

    /// The file system's parameters as mount(2) takes them, separated by commas.
    pub(crate) fn data_string(&self) -> String {
        self.data.iter().map(Datum::in_a_list).collect::<Vec<_>>().join(",")
    }
}

/// What sets a flag of the file system, as fsconfig(2) names it.
const SET: [(u64, &str); 5] = [
    (ms::RDONLY, "ro"),
    (ms::SYNCHRONOUS, "sync"),
    (ms::DIRSYNC, "dirsync"),
    (ms::MANDLOCK, "mand"),
    (ms::LAZYTIME, "lazytime"),
];

/// What clears one.
const CLEAR: [(u64, &str); 4] = [
    (ms::RDONLY, "rw"),
    (ms::SYNCHRONOUS, "async"),
    (ms::MANDLOCK, "nomand"),
    (ms::LAZYTIME, "nolazytime"),
];

/// The mount(2) flags of attributes that are one bit each.
fn one_by_one(attributes: u64) -> u64 {
    const PAIRS: [(u64, u64); 6] = [
        (attr::RDONLY, ms::RDONLY),
        (attr::NOSUID, ms::NOSUID),
        (attr::NODEV, ms::NODEV),
        (attr::NOEXEC, ms::NOEXEC),
        (attr::NODIRATIME, ms::NODIRATIME),
        (attr::NOSYMFOLLOW, ms::NOSYMFOLLOW),
    ];
    PAIRS.iter().filter(|(bit, _)| attributes & bit != 0).fold(0, |flags, (_, flag)| flags | flag)
}

fn change(set: &mut u64, clear: &mut u64, bits: u64, on: bool) {
    let (gain, lose) = if on { (set, clear) } else { (clear, set) };
    *gain |= bits;
    *lose &= !bits;
}

/// What an option does to a mount's attributes.
#[derive(Clone, Copy)]
enum Attribute {
    Bit(u64, bool),
    /// One of the three access time modes is chosen, or (false) not wanted.
    AccessTime(u64, bool),
}

/// The options about a mount, mount_setattr(2); with an `r` before it each is about all mounts below it, too.
const ATTRIBUTES: [(&str, Attribute); 18] = [
    ("ro", Attribute::Bit(attr::RDONLY, true)),
    ("rw", Attribute::Bit(attr::RDONLY, false)),
    ("nosuid", Attribute::Bit(attr::NOSUID, true)),
    ("suid", Attribute::Bit(attr::NOSUID, false)),
    ("nodev", Attribute::Bit(attr::NODEV, true)),
    ("dev", Attribute::Bit(attr::NODEV, false)),
    ("noexec", Attribute::Bit(attr::NOEXEC, true)),
    ("exec", Attribute::Bit(attr::NOEXEC, false)),
    ("nodiratime", Attribute::Bit(attr::NODIRATIME, true)),
    ("diratime", Attribute::Bit(attr::NODIRATIME, false)),
    ("nosymfollow", Attribute::Bit(attr::NOSYMFOLLOW, true)),
    ("symfollow", Attribute::Bit(attr::NOSYMFOLLOW, false)),
    ("noatime", Attribute::AccessTime(attr::NOATIME, true)),
    ("atime", Attribute::AccessTime(attr::NOATIME, false)),
    ("relatime", Attribute::AccessTime(attr::RELATIME, true)),
    ("norelatime", Attribute::AccessTime(attr::RELATIME, false)),
    ("strictatime", Attribute::AccessTime(attr::STRICTATIME, true)),
    ("nostrictatime", Attribute::AccessTime(attr::STRICTATIME, false)),
];

impl Attribute {
    fn of(option: &str) -> Option<Self> {
        ATTRIBUTES.iter().find_map(|(name, attribute)| (*name == option).then_some(*attribute))
    }

    /// An access time mode is one value of a field, not a bit, so choosing one clears the whole field.
    /// A mode that isn't wanted gives way to the kernel's default, relatime (even `norelatime`: mount(2)
    /// knows no other), unless another mode was chosen before.
    fn apply(self, set: &mut u64, clear: &mut u64) {
        match self {
            Self::Bit(bit, on) => change(set, clear, bit, on),
            Self::AccessTime(mode, on) => {
                let chosen = *clear & attr::ATIME != 0;
                if on || !chosen || *set & attr::ATIME == mode {
                    *set = *set & !attr::ATIME | if on { mode } else { attr::RELATIME };
                    *clear |= attr::ATIME;
                }
            }
        }
    }
}

/// The options about the whole file system: the flag that each sets (true) or clears.
const SUPERBLOCK: [(&str, u64, bool); 13] = [
    ("ro", ms::RDONLY, true),
    ("rw", ms::RDONLY, false),
    ("sync", ms::SYNCHRONOUS, true),
    ("async", ms::SYNCHRONOUS, false),
    ("dirsync", ms::DIRSYNC, true),
    ("mand", ms::MANDLOCK, true),
    ("nomand", ms::MANDLOCK, false),
    ("iversion", ms::I_VERSION, true),
    ("noiversion", ms::I_VERSION, false),
    ("lazytime", ms::LAZYTIME, true),
    ("nolazytime", ms::LAZYTIME, false),
    ("silent", ms::SILENT, true),
    ("loud", ms::SILENT, false),
];

fn superblock_flag(option: &str) -> Option<(u64, bool)> {
    SUPERBLOCK.iter().find_map(|(name, flag, on)| (*name == option).then_some((*flag, *on)))
}

/// How mounts and unmounts travel between copies of a mount, mount_namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Propagation {
    /// [`ms::SHARED`], [`ms::SLAVE`], [`ms::PRIVATE`] or [`ms::UNBINDABLE`]: the values that mount(2) and
    /// `mount_attr.propagation` of mount_setattr(2) share.
    pub kind: u64,
    /// For every mount below it too.
    pub recursive: bool,
}

impl Propagation {
    /// As mount(2) takes it.
    pub(crate) fn mount_flags(self) -> u64 {
        self.kind | if self.recursive { ms::REC } else { 0 }
    }
}

/// The kinds of propagation.
const PROPAGATIONS: [(&str, u64); 4] = [
    ("shared", ms::SHARED),
    ("slave", ms::SLAVE),
    ("private", ms::PRIVATE),
    ("unbindable", ms::UNBINDABLE),
];

/// `shared`, `slave`, `private` or `unbindable`, with or without a leading `r`.
impl FromStr for Propagation {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bare = text.strip_prefix('r');
        let kind = |(name, kind): &(&str, u64)| (*name == bare.unwrap_or(text)).then_some(*kind);
        let kind = PROPAGATIONS.iter().find_map(kind).ok_or(())?;
        Ok(Self { kind, recursive: bare.is_some() })
    }
}

/// An option that can't be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadOption {
    /// Which element of the list it stands in.
    pub index: usize,
    /// The option as written.
    pub option: String,
    /// Why not.
    pub reason: &'static str,
}

impl fmt::Display for BadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mount option {:?}: {}", self.option, self.reason)
    }
}

impl std::error::Error for BadOption {}

#[cfg(test)]
mod tests;
