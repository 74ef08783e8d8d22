//! Profiles as engines write them: `linux.seccomp` with rules that depend on the host and the container.
//!
//! The form is Docker's (moby/profiles, seccomp/seccomp.go) and Podman's (containers/common, pkg/seccomp/types.go), which
//! differ a little: Podman has names of error numbers (`defaultErrno`, `errno`), which stand before the numbers, and passes
//! over `minKernel`; Docker takes `minKernel`, and passes over the names. Both are read here, and each member counts.
//! A section of a config.json is such a profile, too, with nothing that depends on anything.

use coble_spec::{Seccomp, Syscall, SyscallArg};

use crate::arch::Arch;
use crate::errno;
use crate::error::Error;
use crate::tree::{Object, Tree};

/// A profile in the engines' format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineProfile {
    default_action: String,
    default_errno_ret: Option<u32>,
    default_errno: Option<String>,
    /// Architectures, whatever the kernel's is.
    architectures: Vec<String>,
    /// Architectures by that of the kernel: its own, and the others whose programs it runs.
    arch_map: Vec<(String, Vec<String>)>,
    flags: Option<Vec<String>>,
    listener_path: Option<String>,
    listener_metadata: Option<String>,
    rules: Vec<EngineRule>,
}

/// A rule for some calls, and when it is part of the profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct EngineRule {
    pointer: String,
    names: Vec<String>,
    /// The one call's name, as old profiles have it.
    name: Option<String>,
    action: String,
    errno_ret: Option<u32>,
    errno: Option<String>,
    args: Vec<SyscallArg>,
    /// All of this has to be so.
    includes: Option<Conditions>,
    /// Nothing of this may be so.
    excludes: Option<Conditions>,
}

/// What a rule depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Conditions {
    pointer: String,
    /// Capabilities in the container's bounding set, `CAP_*`.
    caps: Vec<String>,
    /// The kernel's architecture is one of these, by libseccomp's names.
    arches: Vec<String>,
    /// The kernel is at least this old, `N.N`.
    min_kernel: Option<String>,
}

const U32: u64 = u32::MAX as u64;

impl EngineProfile {
    /// The profile that JSON has.
    ///
    /// # Errors
    /// A member that is unknown, missing or of a wrong type.
    pub fn read(tree: &Tree) -> Result<Self, Error> {
        const MEMBERS: [&str; 9] = [
            "defaultAction",
            "defaultErrnoRet",
            "defaultErrno",
            "architectures",
            "archMap",
            "flags",
            "listenerPath",
            "listenerMetadata",
            "syscalls",
        ];
        let object = Object::read(String::new(), tree, &MEMBERS)?;
        let family = |(pointer, tree)| {
            let object = Object::read(pointer, tree, &["architecture", "subArchitectures"])?;
            let own = object.needed("architecture", object.text("architecture")?)?;
            Ok((own, object.words("subArchitectures")?))
        };
        let rule = |(pointer, tree)| EngineRule::read(pointer, tree);
        Ok(Self {
            default_action: object.needed("defaultAction", object.text("defaultAction")?)?,
            default_errno_ret: object.number("defaultErrnoRet", U32)?.map(|number| number as u32),
            default_errno: object.text("defaultErrno")?,
            architectures: object.words("architectures")?,
            arch_map: object.list("archMap")?.into_iter().map(family).collect::<Result<_, _>>()?,
            flags: object.has("flags").then(|| object.words("flags")).transpose()?,
            listener_path: object.text("listenerPath")?,
            listener_metadata: object.text("listenerMetadata")?,
            rules: object.list("syscalls")?.into_iter().map(rule).collect::<Result<_, _>>()?,
        })
    }
}

impl EngineRule {
    fn read(pointer: String, tree: &Tree) -> Result<Self, Error> {
        const MEMBERS: [&str; 9] = [
            "names", "name", "action", "errnoRet", "errno", "args", "comment", "includes",
            "excludes",
        ];
        let object = Object::read(pointer, tree, &MEMBERS)?;
        // Words for people.
        object.text("comment")?;
        let arg = |(pointer, tree)| arg(pointer, tree);
        let conditions = |name| {
            let found = object.object(name);
            found.map(|(pointer, tree)| Conditions::read(pointer, tree)).transpose()
        };
        Ok(Self {
            names: object.words("names")?,
            name: object.text("name")?,
            action: object.needed("action", object.text("action")?)?,
            errno_ret: object.number("errnoRet", U32)?.map(|number| number as u32),
            errno: object.text("errno")?,
            args: object.list("args")?.into_iter().map(arg).collect::<Result<_, _>>()?,
            includes: conditions("includes")?,
            excludes: conditions("excludes")?,
            pointer: object.pointer,
        })
    }
}

/// A condition on an argument.
fn arg(pointer: String, tree: &Tree) -> Result<SyscallArg, Error> {
    let object = Object::read(pointer, tree, &["index", "value", "valueTwo", "op"])?;
    Ok(SyscallArg {
        index: object.needed("index", object.number("index", U32)?)? as u32,
        value: object.needed("value", object.number("value", u64::MAX)?)?,
        value_two: object.number("valueTwo", u64::MAX)?.unwrap_or_default(),
        op: object.needed("op", object.text("op")?)?,
    })
}

impl Conditions {
    fn read(pointer: String, tree: &Tree) -> Result<Self, Error> {
        let object = Object::read(pointer, tree, &["caps", "arches", "minKernel"])?;
        Ok(Self {
            caps: object.words("caps")?,
            arches: object.words("arches")?,
            min_kernel: object.text("minKernel")?,
            pointer: object.pointer,
        })
    }
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
        for (place, rule) in self.rules.iter().enumerate() {
            let syscall = rule.syscall()?;
            if rule.holds(setting)? {
                section.syscalls.push(syscall);
                places.push(place);
            }
        }
        Ok(Resolved { section, places })
    }

    fn architectures(&self, arch: Arch) -> Result<Vec<String>, Error> {
        if !self.architectures.is_empty() && !self.arch_map.is_empty() {
            return Err(Error::at("/archMap", "architectures and archMap exclude each other"));
        }
        for (index, (own, others)) in self.arch_map.iter().enumerate() {
            for name in [own].into_iter().chain(others) {
                let pointer = format!("/archMap/{index}");
                Arch::named(name)
                    .ok_or_else(|| Error::about(pointer, name, "is no architecture"))?;
            }
        }
        let name = arch.name();
        let family = self.arch_map.iter().find(|(own, _)| *own == name);
        let Some((own, others)) = family else { return Ok(self.architectures.clone()) };
        Ok([own].into_iter().chain(others).cloned().collect())
    }
}

impl EngineRule {
    fn syscall(&self) -> Result<Syscall, Error> {
        let pointer = &self.pointer;
        let names = match self.name.as_ref().filter(|name| !name.is_empty()) {
            Some(_) if !self.names.is_empty() => {
                let reason = "name and names exclude each other";
                return Err(Error::at(format!("{pointer}/name"), reason));
            }
            Some(name) => vec![name.clone()],
            None => self.names.clone(),
        };
        let errno_ret = errno(&format!("{pointer}/errno"), self.errno.as_deref(), self.errno_ret)?;
        Ok(Syscall { names, action: self.action.clone(), errno_ret, args: self.args.clone() })
    }

    /// Whether the rule is part of the profile.
    fn holds(&self, setting: &Setting<'_>) -> Result<bool, Error> {
        let mut holds = true;
        if let Some(conditions) = &self.includes {
            holds &= conditions.met(setting)?.iter().all(|group| group.all);
        }
        if let Some(conditions) = &self.excludes {
            holds &= conditions.met(setting)?.iter().all(|group| !group.any);
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
    fn met(&self, setting: &Setting<'_>) -> Result<Vec<Met>, Error> {
        let pointer = &self.pointer;
        let mut capabilities = Met { any: false, all: true };
        for (index, name) in self.caps.iter().enumerate() {
            let unknown =
                || Error::about(format!("{pointer}/caps/{index}"), name, "is no capability");
            let has = (setting.capability)(name).ok_or_else(unknown)?;
            capabilities.any |= has;
            capabilities.all &= has;
        }
        let mut found = vec![capabilities];
        let mut is_one = false;
        for (index, name) in self.arches.iter().enumerate() {
            let unknown =
                || Error::about(format!("{pointer}/arches/{index}"), name, "is no architecture");
            is_one |= Arch::engine_named(name).ok_or_else(unknown)? == setting.arch;
        }
        if !self.arches.is_empty() {
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
