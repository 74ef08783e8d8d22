//! Where a profile comes from.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use coble_container::CAPABILITIES;
use coble_seccomp::{
    Arch, DEFAULT, DOCKERS_CAPABILITIES, EngineProfile, Profile, Program, Resolved, Setting, Tree,
    kernel_version, unconfined,
};
use coble_spec::{Deferred, Seccomp, Spec};

use super::{ARCH, CAP, KERNEL};
use crate::call::Call;
use crate::commands::input::Input;
use crate::failure::Failure;

/// What a profile is resolved for.
pub(crate) struct Host {
    /// The kernel's architecture.
    pub(crate) arch: Arch,
    kernel: Option<(u32, u32)>,
    capabilities: Vec<String>,
}

impl Host {
    /// What the flags say, and for the rest this host and Docker's default.
    pub(super) fn of(call: &Call) -> Result<Self, Failure> {
        let arch = call.flags.text(&ARCH)?.map_or(Ok(Arch::NATIVE), arch)?;
        Self::with_arch(call, arch)
    }

    /// The same for a kernel of this architecture.
    pub(super) fn with_arch(call: &Call, arch: Arch) -> Result<Self, Failure> {
        let wrong = |text: &str| {
            Failure::new(format!("invalid value {text:?} for {KERNEL}: not a version such as 6.12"))
        };
        let kernel = call.flags.text(&KERNEL)?;
        let kernel =
            kernel.map(|text| kernel_version(text).ok_or_else(|| wrong(text))).transpose()?;
        let given = call.flags.texts(&CAP)?;
        let capabilities = match given.is_empty() {
            true => DOCKERS_CAPABILITIES.map(str::to_owned).to_vec(),
            false => capabilities(&given)?,
        };
        Ok(Self { arch, kernel, capabilities })
    }

    /// This host and a container with these capabilities.
    pub(crate) fn this(capabilities: &[String]) -> Self {
        Self { arch: Arch::NATIVE, kernel: None, capabilities: capabilities.to_vec() }
    }

    /// The profile for this host; a failure is about `name`.
    fn resolve(&self, profile: &EngineProfile, name: &str) -> Result<Resolved, Failure> {
        let kernel = self.kernel.map_or_else(own_kernel, Ok)?;
        let has = |name: &str| self.capabilities.iter().any(|capability| capability == name);
        let capability = |name: &str| CAPABILITIES.contains(&name).then(|| has(name));
        let setting = Setting { arch: self.arch, kernel, capability: &capability };
        profile.resolve(&setting).map_err(|error| wrong(name, &error.pointer, &error))
    }
}

/// The architecture that a word names.
pub(super) fn arch(name: &str) -> Result<Arch, Failure> {
    Arch::called(name).ok_or_else(|| Failure::new(format!("{} is no architecture", quoted(name))))
}

/// Names as engines take them: with or without `CAP_`, in small or capital letters.
fn capabilities(given: &[String]) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for word in given {
        let upper = word.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        let known = CAPABILITIES.iter().find(|name| name.strip_prefix("CAP_") == Some(bare));
        match (bare, known) {
            ("NONE", _) => {}
            ("ALL", _) => found.extend(CAPABILITIES.map(str::to_owned)),
            (_, Some(name)) => found.push((*name).to_owned()),
            _ => return Err(Failure::new(format!("unknown capability {}", quoted(word)))),
        }
    }
    Ok(found)
}

fn own_kernel() -> Result<(u32, u32), Failure> {
    const FILE: &str = "/proc/sys/kernel/osrelease";
    let text = fs::read_to_string(FILE).map_err(|error| Failure::io(FILE, &error))?;
    kernel_version(&text).ok_or_else(|| Failure::new(format!("{FILE}: {text:?} is no version")))
}

/// A profile and where it comes from.
pub(crate) struct Source {
    /// How people know it.
    pub(super) name: String,
    /// Where in the file the section is.
    prefix: &'static str,
    /// The profile's text, if it is in the engines' format.
    pub(super) engine: Option<Vec<u8>>,
    resolved: Resolved,
}

impl Source {
    /// The profile that a word names, for a host.
    pub(crate) fn read(word: &OsStr, host: &Host) -> Result<Self, Failure> {
        let name = word.to_string_lossy().into_owned();
        let plain = |section| {
            Ok(Self {
                name: name.clone(),
                prefix: "",
                engine: None,
                resolved: Resolved::plain(section),
            })
        };
        match &*name {
            "default" => Self::parse(name, DEFAULT.as_bytes(), host),
            "unconfined" => plain(unconfined(host.arch)),
            _ => {
                let config = Path::new(word).join("config.json");
                let word = if Path::new(word).is_dir() { config.as_os_str() } else { word };
                let Input { name, bytes } = Input::read(word)?;
                Self::parse(name, &bytes, host)
            }
        }
    }

    fn parse(name: String, text: &[u8], host: &Host) -> Result<Self, Failure> {
        let read =
            |error: coble_spec::ParseError| Failure::new(one_line(&name, &error.to_string()));
        let tree: Tree = coble_spec::parse(text).map_err(read)?;
        const SECTION: &str = "/linux/seccomp";
        if tree.member("ociVersion").is_some() || tree.member("linux").is_some() {
            let spec: Spec = coble_spec::parse(text).map_err(read)?;
            let section = spec.linux.and_then(|linux| linux.seccomp);
            let section = section.as_ref().map(Deferred::read).transpose();
            let section = section.map_err(|error| read(error.below(SECTION)))?;
            let none = || {
                Failure::new(format!("{name}: there is no /linux/seccomp: every call can be made"))
            };
            let resolved = Resolved::plain(section.ok_or_else(none)?.into_owned());
            return Ok(Self { name, prefix: SECTION, engine: None, resolved });
        }
        let profile =
            EngineProfile::read(&tree).map_err(|error| wrong(&name, &error.pointer, &error))?;
        let resolved = host.resolve(&profile, &name)?;
        Ok(Self { name, prefix: "", engine: Some(text.to_vec()), resolved })
    }

    /// As a config.json has it.
    pub(crate) fn section(&self) -> &Seccomp {
        &self.resolved.section
    }

    /// Where in the file something of the section is.
    pub(super) fn pointer(&self, pointer: &str) -> String {
        format!("{}{}", self.prefix, self.resolved.pointer(pointer))
    }

    /// The profile, checked, for a kernel of this architecture.
    pub(super) fn profile(&self, native: Arch) -> Result<Profile<'_>, Failure> {
        Profile::read(self.section(), native).map_err(|error| self.wrong(&error))
    }

    /// Its filter.
    pub(super) fn compile(&self, profile: &Profile<'_>) -> Result<Program, Failure> {
        profile.compile().map_err(|error| self.wrong(&error))
    }

    /// A failure for something that is wrong in the section.
    fn wrong(&self, error: &coble_seccomp::Error) -> Failure {
        wrong(&self.name, &self.pointer(&error.pointer), error)
    }
}

fn wrong(name: &str, pointer: &str, error: &coble_seccomp::Error) -> Failure {
    let place = if pointer.is_empty() { String::new() } else { format!("{pointer}: ") };
    let word = match &*error.word {
        "" => String::new(),
        word => format!("{} ", quoted(word)),
    };
    Failure::new(format!("{name}: {place}{word}{}", error.reason))
}

/// How many characters of a word that is wrong are shown.
const SHOWN: usize = 64;

/// A word of a file, of any length and with any characters.
pub(super) fn quoted(word: &str) -> String {
    match word.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &word[..end]),
        None => format!("{word:?}"),
    }
}

/// `name: words`, where the words may come from a file.
fn one_line(name: &str, words: &str) -> String {
    const MOST: usize = 400;
    let words = words.chars().take(MOST);
    let plain = words.map(|character| if character.is_control() { ' ' } else { character });
    format!("{name}: {}", plain.collect::<String>())
}
