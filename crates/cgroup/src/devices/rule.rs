//! One device rule, checked.

use coble_spec::DeviceRule;

use crate::Error;

pub(super) const POINTER: &str = "/linux/resources/devices";

/// Kinds of access, as `BPF_DEVCG_ACC_*` has them.
pub(super) const MKNOD: u8 = 1;
pub(super) const READ: u8 = 2;
pub(super) const WRITE: u8 = 4;
pub(super) const ALL: u8 = MKNOD | READ | WRITE;

/// Kinds of device files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Block,
    Char,
}

/// Allows or denies an access to a set of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) allow: bool,
    /// Both kinds if none.
    pub(super) kind: Option<Kind>,
    /// Every number if none.
    pub(super) major: Option<u32>,
    /// Every number if none.
    pub(super) minor: Option<u32>,
    /// [`MKNOD`], [`READ`], [`WRITE`]; at least one of them.
    pub(super) access: u8,
}

impl Rule {
    /// Whether it is about every access to every device.
    pub(super) fn is_total(&self) -> bool {
        *self == Self { allow: self.allow, kind: None, major: None, minor: None, access: ALL }
    }
}

/// The rules of `linux.resources.devices`.
///
/// # Errors
/// [`Error::Value`].
pub(super) fn configured(rules: &[DeviceRule]) -> Result<Vec<Rule>, Error> {
    rules.iter().enumerate().map(|(index, rule)| parse(rule, index)).collect()
}

fn parse(rule: &DeviceRule, index: usize) -> Result<Rule, Error> {
    let kind = match &*rule.kind {
        "" | "a" => None,
        "b" => Some(Kind::Block),
        "c" => Some(Kind::Char),
        other => {
            return Err(Error::value(
                format!("{POINTER}/{index}/type"),
                format!("{other:?} is none of a, b and c"),
            ));
        }
    };
    Ok(Rule {
        allow: rule.allow,
        kind,
        major: number(rule.major, index, "major")?,
        minor: number(rule.minor, index, "minor")?,
        access: access(&rule.access, index)?,
    })
}

/// -1 is any number.
fn number(value: Option<i64>, index: usize, name: &str) -> Result<Option<u32>, Error> {
    match value {
        None | Some(-1) => Ok(None),
        Some(value) => u32::try_from(value).map(Some).map_err(|_| {
            Error::value(
                format!("{POINTER}/{index}/{name}"),
                format!("{value} is not the number of a device"),
            )
        }),
    }
}

fn access(letters: &str, index: usize) -> Result<u8, Error> {
    let mut access = 0;
    for letter in letters.chars() {
        access |= match letter {
            'r' => READ,
            'w' => WRITE,
            'm' => MKNOD,
            _ => 0,
        };
    }
    if access == 0 || letters.chars().any(|letter| !matches!(letter, 'r' | 'w' | 'm')) {
        return Err(Error::value(
            format!("{POINTER}/{index}/access"),
            format!("{letters:?} is not made of the letters r, w and m"),
        ));
    }
    Ok(access)
}
