//! Profiles as engines write them: `linux.seccomp` with rules that depend on the host and the container.
//!
//! The form is Docker's (moby/profiles, seccomp/seccomp.go) and Podman's (containers/common, pkg/seccomp/types.go), which
//! differ a little: Podman has names of error numbers (`defaultErrno`, `errno`), which stand before the numbers, and passes
//! over `minKernel`; Docker takes `minKernel`, and passes over the names. Both are read here, and each member counts.
//! A section of a config.json is such a profile, too, with nothing that depends on anything.

use coble_spec::{Seccomp, Syscall, SyscallArg};
use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::errno;
use crate::error::Error;

/// A profile in the engines' format. Members that are unknown are errors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EngineProfile {
    /// What becomes of calls that nothing else is said about, `SCMP_ACT_*`.
    pub default_action: String,
    /// The error number of the default action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// The same by name, or as a number in decimal; stands before the other one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_errno: Option<String>,
    /// Architectures, whatever the kernel's is. Not together with `archMap`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architectures: Option<Vec<String>>,
    /// Architectures by that of the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch_map: Option<Vec<ArchFamily>>,
    /// Flags for seccomp(2), `SECCOMP_FILTER_FLAG_*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<Vec<String>>,
    /// The socket of the agent that answers notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener_path: Option<String>,
    /// Words for that agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener_metadata: Option<String>,
    /// Rules for calls.
    pub syscalls: Option<Vec<EngineRule>>,
}

/// Architectures whose programs a kernel runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArchFamily {
    /// The kernel's own, `SCMP_ARCH_*`.
    pub architecture: String,
    /// The others.
    pub sub_architectures: Option<Vec<String>>,
}

/// A rule for some calls, and when it is part of the profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EngineRule {
    /// The calls' names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
    /// The one call's name, as old profiles have it. Not together with `names`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What becomes of them, `SCMP_ACT_*`.
    pub action: String,
    /// The error number of the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    /// The same by name, or as a number in decimal; stands before the other one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno: Option<String>,
    /// Conditions on the arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<EngineArg>>,
    /// Words for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// All of this has to be so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub includes: Option<Conditions>,
    /// Nothing of this may be so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excludes: Option<Conditions>,
}

/// A condition on an argument.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EngineArg {
    /// Which argument, from 0 to 5.
    pub index: u32,
    /// What it is compared with; the mask of `SCMP_CMP_MASKED_EQ`.
    pub value: u64,
    /// What the masked argument is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_two: Option<u64>,
    /// How, `SCMP_CMP_*`.
    pub op: String,
}

/// What a rule depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Conditions {
    /// Capabilities in the container's bounding set, `CAP_*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caps: Option<Vec<String>>,
    /// The kernel's architecture is one of these, by libseccomp's names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arches: Option<Vec<String>>,
    /// The kernel is at least this old, `N.N`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_kernel: Option<String>,
}

/// What profiles depend on.
pub struct Setting<'a> {
    /// The kernel's architecture.
    pub arch: Arch,
    /// The kernel's version: the first two numbers.
    pub kernel: (u32, u32),
    /// Whether the container has a capability, `CAP_*`; none if there is no such capability.
    pub capability: &'a dyn Fn(&str) -> Option<bool>,
}

/// A profile for one setting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// As a config.json has it.
    pub section: Seccomp,
    /// For each of its rules its place in the profile.
    pub places: Vec<usize>,
}

impl EngineProfile {
    /// The profile for a setting.
    ///
    /// # Errors
    /// What excludes one another, and names that are unknown, also those of rules that would be left out.
    pub fn resolve(&self, setting: &Setting<'_>) -> Result<Resolved, Error> {
        let errno = errno("/defaultErrno", self.default_errno.as_deref(), self.default_errno_ret)?;
        let mut section = Seccomp {
            default_action: self.default_action.clone(),
            default_errno_ret: errno,
            architectures: self.architectures(setting.arch)?,
            flags: self.flags.clone(),
            listener_path: self.listener_path.clone().unwrap_or_default(),
            listener_metadata: self.listener_metadata.clone().unwrap_or_default(),
            syscalls: Vec::new(),
        };
        let mut places = Vec::new();
        for (place, rule) in self.syscalls.iter().flatten().enumerate() {
            let pointer = format!("/syscalls/{place}");
            let syscall = rule.syscall(&pointer)?;
            if rule.holds(&pointer, setting)? {
                section.syscalls.push(syscall);
                places.push(place);
            }
        }
        Ok(Resolved { section, places })
    }

    fn architectures(&self, arch: Arch) -> Result<Vec<String>, Error> {
        let all = self.architectures.iter().flatten();
        let families = self.arch_map.iter().flatten();
        if all.clone().next().is_some() && families.clone().next().is_some() {
            let reason = "architectures and archMap exclude each other";
            return Err(Error::at("/archMap", reason));
        }
        for (index, family) in families.clone().enumerate() {
            let others = family.sub_architectures.iter().flatten();
            for name in [&family.architecture].into_iter().chain(others) {
                let unknown =
                    || Error::about(format!("/archMap/{index}"), name, "is no architecture");
                Arch::named(name).ok_or_else(unknown)?;
            }
        }
        let own = arch.name();
        let family = families.clone().find(|family| family.architecture == own);
        let Some(family) = family else { return Ok(all.cloned().collect()) };
        let others = family.sub_architectures.iter().flatten().cloned();
        Ok([own].into_iter().chain(others).collect())
    }
}

impl EngineRule {
    fn syscall(&self, pointer: &str) -> Result<Syscall, Error> {
        let name = self.name.as_ref().filter(|name| !name.is_empty());
        let names = match (name, self.names.as_deref().unwrap_or_default()) {
            (Some(_), [_, ..]) => {
                let reason = "name and names exclude each other";
                return Err(Error::at(format!("{pointer}/name"), reason));
            }
            (Some(name), []) => vec![name.clone()],
            (None, names) => names.to_vec(),
        };
        let errno = errno(&format!("{pointer}/errno"), self.errno.as_deref(), self.errno_ret)?;
        let arg = |arg: &EngineArg| SyscallArg {
            index: arg.index,
            value: arg.value,
            value_two: arg.value_two.unwrap_or_default(),
            op: arg.op.clone(),
        };
        let args = self.args.iter().flatten().map(arg).collect();
        Ok(Syscall { names, action: self.action.clone(), errno_ret: errno, args })
    }

    /// Whether the rule is part of the profile.
    fn holds(&self, pointer: &str, setting: &Setting<'_>) -> Result<bool, Error> {
        let mut holds = true;
        if let Some(conditions) = &self.includes {
            let pointer = format!("{pointer}/includes");
            for group in conditions.met(&pointer, setting)? {
                holds &= group.all;
            }
        }
        if let Some(conditions) = &self.excludes {
            let pointer = format!("{pointer}/excludes");
            for group in conditions.met(&pointer, setting)? {
                holds &= !group.any;
            }
        }
        Ok(holds)
    }
}

/// How many conditions of a kind are met.
struct Met {
    any: bool,
    all: bool,
}

impl Conditions {
    /// One for each kind that there is. Of several architectures one is enough either way.
    fn met(&self, pointer: &str, setting: &Setting<'_>) -> Result<Vec<Met>, Error> {
        let mut found = Vec::new();
        let caps = self.caps.as_deref().unwrap_or_default();
        let mut met = Met { any: false, all: true };
        for (index, name) in caps.iter().enumerate() {
            let unknown =
                || Error::about(format!("{pointer}/caps/{index}"), name, "is no capability");
            let has = (setting.capability)(name).ok_or_else(unknown)?;
            met.any |= has;
            met.all &= has;
        }
        found.push(met);
        let arches = self.arches.as_deref().unwrap_or_default();
        let mut is_one = false;
        for (index, name) in arches.iter().enumerate() {
            let unknown =
                || Error::about(format!("{pointer}/arches/{index}"), name, "is no architecture");
            is_one |= Arch::engine_named(name).ok_or_else(unknown)? == setting.arch;
        }
        if !arches.is_empty() {
            found.push(Met { any: is_one, all: is_one });
        }
        if let Some(text) = &self.min_kernel {
            let wrong = || {
                let reason = "is no version of a kernel, two numbers as in 4.8";
                Error::about(format!("{pointer}/minKernel"), text, reason)
            };
            let is_new = setting.kernel >= version(text).ok_or_else(wrong)?;
            found.push(Met { any: is_new, all: is_new });
        }
        Ok(found)
    }
}

/// `4.8`: two numbers and nothing else, as Docker takes them.
fn version(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u8>().ok().filter(|_| is_plain).map(u32::from)
    };
    let (first, second) = text.split_once('.')?;
    let version = (number(first)?, number(second)?);
    (version != (0, 0)).then_some(version)
}

/// The version in a kernel's release, uname(2): `6.18.3-arch1` is (6, 18).
pub fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let (first, rest) = release.split_once('.')?;
    let end = rest.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let number = |text: &str| text.parse().ok().filter(|_| !text.starts_with('+'));
    Some((number(first)?, number(&rest[..end])?))
}

/// An error number: its name or the number in decimal, or else what is given as a number.
fn errno(pointer: &str, name: Option<&str>, number: Option<u32>) -> Result<Option<u32>, Error> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(number) };
    let is_plain = name.bytes().all(|byte| byte.is_ascii_digit());
    let found = if is_plain { name.parse().ok() } else { errno::number(name) };
    let unknown = || Error::about(pointer, name, "is no error number");
    found.map(Some).ok_or_else(unknown)
}

impl From<&Seccomp> for EngineProfile {
    /// The same profile, whatever the host and the container are.
    fn from(section: &Seccomp) -> Self {
        let words = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
        let word = |word: &String| (!word.is_empty()).then(|| word.clone());
        Self {
            default_action: section.default_action.clone(),
            default_errno_ret: section.default_errno_ret,
            architectures: words(&section.architectures),
            flags: section.flags.clone(),
            listener_path: word(&section.listener_path),
            listener_metadata: word(&section.listener_metadata),
            syscalls: Some(section.syscalls.iter().map(EngineRule::from).collect()),
            ..Self::default()
        }
    }
}

impl From<&Syscall> for EngineRule {
    fn from(syscall: &Syscall) -> Self {
        let arg = |arg: &SyscallArg| EngineArg {
            index: arg.index,
            value: arg.value,
            value_two: Some(arg.value_two),
            op: arg.op.clone(),
        };
        let args: Vec<EngineArg> = syscall.args.iter().map(arg).collect();
        Self {
            names: Some(syscall.names.clone()),
            action: syscall.action.clone(),
            errno_ret: syscall.errno_ret,
            args: (!args.is_empty()).then_some(args),
            ..Self::default()
        }
    }
}

impl Resolved {
    /// A section as it stands.
    pub fn plain(section: Seccomp) -> Self {
        let places = (0..section.syscalls.len()).collect();
        Self { section, places }
    }

    /// Where in the profile something stands, by the JSON pointer of it in the section.
    pub fn pointer(&self, pointer: &str) -> String {
        const RULES: &str = "/syscalls/";
        let Some(rest) = pointer.strip_prefix(RULES) else { return pointer.to_owned() };
        let (index, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let place = index.parse().ok().and_then(|index: usize| self.places.get(index));
        place.map_or_else(|| pointer.to_owned(), |place| format!("{RULES}{place}{rest}"))
    }
}
