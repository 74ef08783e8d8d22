//! One call of coble, as given on the command line.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use crate::failure::Failure;
use crate::log::Log;
use crate::table::{CGROUP_MANAGER, Command, Family, Flag, ROOT, ROOTLESS, SYSTEMD_CGROUP};

/// What was given, and where to log.
#[derive(Default)]
pub(crate) struct Call {
    /// The flags before the command.
    pub(crate) global: Given,
    /// The word that the command begins with, if others do, too.
    pub(crate) family: Option<&'static Family>,
    /// The command, once it is known.
    pub(crate) command: Option<&'static Command>,
    /// The command's flags.
    pub(crate) flags: Given,
    /// The arguments that are not flags.
    pub(crate) arguments: Vec<OsString>,
    /// Takes what is worth saying besides the result.
    pub(crate) log: Log,
}

impl Call {
    /// The exit status of a failure with this one.
    pub(crate) fn failed(&self, status: u8) -> u8 {
        self.command.map_or(status, |command| command.failed(status))
    }

    /// Refuses values of global flags that are wrong whatever the command is.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if let Some(root) = self.global.value(&ROOT) {
            absolute_root(root)?;
        }
        match self.global.text(&CGROUP_MANAGER)? {
            None | Some("cgroupfs" | "systemd" | "disabled") => {}
            Some(other) => return Err(Failure::new(format!("unknown cgroup manager {other:?}"))),
        }
        self.rootless().map(drop)
    }

    /// Whether a cgroup may be missing for want of rights; `None` leaves that to the rights themselves.
    pub(crate) fn rootless(&self) -> Result<Option<bool>, Failure> {
        match self.global.text(&ROOTLESS)?.map(str::to_ascii_lowercase).as_deref() {
            None | Some("" | "auto") => Ok(None),
            Some("true" | "t" | "1") => Ok(Some(true)),
            Some("false" | "f" | "0") => Ok(Some(false)),
            Some(mode) => Err(Failure::new(format!(
                "invalid value {mode:?} for --rootless: not true, false or auto"
            ))),
        }
    }

    /// The folder that holds the containers' state, absolute.
    pub(crate) fn root(&self) -> Result<PathBuf, Failure> {
        match self.global.value(&ROOT) {
            Some(root) => absolute_root(root),
            None => self.default_root(),
        }
    }

    fn default_root(&self) -> Result<PathBuf, Failure> {
        if let Some(root) = coble_container::usual_root() {
            return Ok(root);
        }
        let root = coble_container::temporary_root()?;
        let shown = root.display();
        self.log.warning(&format!("XDG_RUNTIME_DIR is not set: the state is in {shown}"));
        Ok(root)
    }

    /// The container's name; it is there because the command's table asks for it.
    pub(crate) fn id(&self) -> Result<&str, Failure> {
        text(self.arguments.first().map_or(OsStr::new(""), OsString::as_os_str), "container ID")
    }

    /// Says what went otherwise than asked, and was no reason to fail.
    pub(crate) fn warn(&self, warnings: &[coble_container::Error]) {
        warnings.iter().for_each(|warning| self.log.warning(&warning.to_string()));
    }

    /// Who makes the cgroups of containers.
    ///
    /// # Errors
    /// Nobody and systemd.
    pub(crate) fn cgroup_manager(&self) -> Result<CgroupManager, Failure> {
        let is_systemd = self.global.has(&SYSTEMD_CGROUP);
        match self.global.text(&CGROUP_MANAGER)? {
            Some("disabled") if is_systemd => {
                let words = "--cgroup-manager disabled and --systemd-cgroup exclude each other";
                Err(Failure::new(words))
            }
            Some("disabled") => Ok(CgroupManager::Disabled),
            Some("systemd") => Ok(CgroupManager::Systemd),
            _ if is_systemd => Ok(CgroupManager::Systemd),
            _ => Ok(CgroupManager::Files),
        }
    }
}

/// Who makes the cgroups of containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CgroupManager {
    /// coble, through the kernel's files.
    Files,
    /// systemd.
    Systemd,
    /// Nobody: there are none.
    Disabled,
}

/// An absolute path for `--root`, which must not be `/` under any spelling.
fn absolute_root(root: &OsStr) -> Result<PathBuf, Failure> {
    let path =
        std::path::absolute(Path::new(root)).map_err(|error| Failure::io("--root", &error))?;
    if names_of(&path) == 0 {
        return Err(Failure::new("Option --root argument should not be set to /"));
    }
    Ok(path)
}

/// How many names are left of an absolute path when each `..` takes one away.
fn names_of(path: &Path) -> usize {
    path.components().fold(0, |names, component| match component {
        Component::Normal(_) => names + 1,
        Component::ParentDir => names.saturating_sub(1),
        _ => names,
    })
}

/// The value of a switch that is switched off.
const OFF: &str = "false";

/// Flags with their values, in the order given.
#[derive(Clone, Default)]
pub(crate) struct Given(Vec<(&'static Flag, OsString)>);

impl Given {
    /// Adds a flag; a switch has an empty value.
    pub(crate) fn set(&mut self, flag: &'static Flag, value: OsString) {
        self.0.push((flag, value));
    }

    /// Switches it off, for `--switch=false`.
    pub(crate) fn unset(&mut self, flag: &'static Flag) {
        self.0.push((flag, OFF.into()));
    }

    /// Whether the flag is there, and not switched off again.
    pub(crate) fn has(&self, flag: &Flag) -> bool {
        self.value(flag).is_some_and(|value| flag.value.is_some() || value != OFF)
    }

    /// What a switch says, if it is there.
    pub(crate) fn switch(&self, flag: &Flag) -> Option<bool> {
        self.value(flag).map(|value| value != OFF)
    }

    /// The flag's last value.
    pub(crate) fn value(&self, flag: &Flag) -> Option<&OsStr> {
        self.values(flag).last()
    }

    /// All values of a flag, in the order given.
    pub(crate) fn values(&self, flag: &Flag) -> impl Iterator<Item = &OsStr> {
        let long = flag.long;
        self.0
            .iter()
            .filter(move |(given, _)| given.long == long)
            .map(|(_, value)| value.as_os_str())
    }

    /// The flag's last value as a path; an empty one counts as not given.
    pub(crate) fn path(&self, flag: &Flag) -> Option<PathBuf> {
        self.value(flag).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The flag's last value as text.
    pub(crate) fn text(&self, flag: &Flag) -> Result<Option<&str>, Failure> {
        self.value(flag).map(|value| text(value, flag)).transpose()
    }

    /// All values of a flag as text.
    pub(crate) fn texts(&self, flag: &Flag) -> Result<Vec<String>, Failure> {
        self.values(flag).map(|value| text(value, flag).map(str::to_owned)).collect()
    }

    /// The flag's last value as a number.
    pub(crate) fn number<T: FromStr>(&self, flag: &Flag) -> Result<Option<T>, Failure> {
        let Some(value) = self.text(flag)? else { return Ok(None) };
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => {
                Err(Failure::new(format!("invalid value {value:?} for {flag}: not a number")))
            }
        }
    }
}

/// `value` as text, for what the configuration's JSON can hold; `what` names it in the error.
pub(crate) fn text(value: &OsStr, what: impl std::fmt::Display) -> Result<&str, Failure> {
    value.to_str().ok_or_else(|| Failure::new(format!("{what}: {value:?} is not valid UTF-8")))
}

/// Flags as `name`, `name=false` or `name=value`, each with a space behind it.
#[cfg(test)]
impl std::fmt::Display for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(flag, value)| match flag.value {
            None if value == OFF => write!(f, "{}=false ", flag.long),
            None => write!(f, "{} ", flag.long),
            Some(_) => write!(f, "{}={} ", flag.long, value.display()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_the_root_folder_passes() {
        for root in ["/", "//", "/.", "/..", "/run/..", "/run/../..", "/a/b/../../."] {
            let error = absolute_root(OsStr::new(root)).expect_err(root);
            assert_eq!(error.message, "Option --root argument should not be set to /");
        }
        for root in ["/run", "/run/coble", "/run/../run", "coble"] {
            assert!(absolute_root(OsStr::new(root)).is_ok_and(|path| path.is_absolute()), "{root}");
        }
        assert!(absolute_root(OsStr::new("")).is_err());
    }
    #[test]
    fn rootless_is_one_of_three() {
        let check = |mode: &str| {
            let mut call = Call::default();
            call.global.set(&ROOTLESS, mode.into());
            call.check().map_err(|failure| failure.message)
        };
        for mode in ["true", "false", "auto", "", "True", "AUTO", "1", "0"] {
            assert_eq!(check(mode), Ok(()), "{mode}");
        }
        let error = "invalid value \"maybe\" for --rootless: not true, false or auto";
        assert_eq!(check("maybe").err().as_deref(), Some(error));
    }

    #[test]
    fn numbers_are_whole_and_fit() {
        let number = |value: &str| {
            let mut given = Given::default();
            given.set(&NUMBER, value.into());
            given.number::<u32>(&NUMBER).map_err(|failure| failure.message)
        };
        assert_eq!(Given::default().number::<u32>(&NUMBER).unwrap(), None);
        assert_eq!(number("0"), Ok(Some(0)));
        assert_eq!(number("4294967295"), Ok(Some(u32::MAX)));
        for value in ["", "-1", "x", "1.5", "4294967296", " 1"] {
            let error = format!("invalid value {value:?} for --number: not a number");
            assert_eq!(number(value), Err(error));
        }
    }

    static NUMBER: Flag = Flag::value("number", None, ("N", crate::table::Values::Any), "a number");
}
