//! The filter of system calls that the container's processes run under.
//!
//! It is loaded right before the program runs, so that a profile has to allow execve(2) and nothing else of what coble
//! does (docs/adr/0014). Without no_new_privs that needs `CAP_SYS_ADMIN`, which the process keeps until then.

use std::borrow::Cow;

use coble_plan::{Plan, Step};
use coble_seccomp::{Action, Arch, Data, Profile, Program};
use coble_spec::{Deferred, ParseError, Process, Seccomp, Spec};
use coble_sys::rustix::fd::RawFd;
use coble_sys::{FILTER_FLAG_NEW_LISTENER, libc, seccomp_knows};

use crate::agent::Agent;
use crate::error::Error;
use crate::executor::Ended;
use crate::validate::{FAIL_UNKNOWN_SYSCALL, Invalid, quoted};

/// `struct sock_filter` has eight bytes (include/uapi/linux/filter.h).
const INSTRUCTION: usize = 8;

/// Flags that a configuration may ask for, and their bits (include/uapi/linux/seccomp.h).
pub(crate) const FLAGS: [(&str, u32); 4] = [
    ("SECCOMP_FILTER_FLAG_LOG", 1 << 1),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", 1 << 2),
    // There is but one thread, and so nothing to do.
    ("SECCOMP_FILTER_FLAG_TSYNC", 0),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", WAIT_KILLABLE_RECV),
];

/// Means something only where there are notifications; without them the kernel (5.19 and newer) refuses it.
const WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// Without `flags`, as runc has it since 1.2: the kernel makes a program's speculation no slower for its filter.
const DEFAULT: u32 = 1 << 2;

/// What to say of a process with a filter that SIGSYS has ended: it could not say so itself, and nor could the executor if it
/// never became the program.
pub(crate) fn killed(ended: &Ended) -> Option<Error> {
    let words = "SIGSYS ended the process, as its system call filter does for some calls; run --seccomp-report tells \
                 which";
    (ended.signal == Some(libc::SIGSYS)).then(|| Error::new(words))
}

/// The capability that loads a filter where no_new_privs isn't set, capabilities(7).
pub(crate) const CAP_SYS_ADMIN: u64 = 1 << 21;

/// The flags that this kernel knows, too.
pub(crate) fn supported_flags() -> impl Iterator<Item = &'static str> {
    // One of them comes with a listener only.
    let knows = |bit: u32| bit == 0 || seccomp_knows(bit | FILTER_FLAG_NEW_LISTENER);
    FLAGS.iter().filter(move |(_, bit)| knows(*bit)).map(|(name, _)| *name)
}

/// Where in a configuration it stands.
pub(crate) const POINTER: &str = "/linux/seccomp";

/// A filter that is ready to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// `SECCOMP_FILTER_FLAG_*`.
    flags: u32,
    /// `struct sock_filter`, one after the other.
    program: Vec<u8>,
    /// Who answers its notifications, if there are any.
    pub(crate) agent: Option<Agent>,
}

/// How a filter comes to the executor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Delivery<'a> {
    /// In the plan.
    Planned(&'a Filter),
    /// By this descriptor, while the executor works.
    Later(RawFd),
}

impl Delivery<'_> {
    /// Adds the step that loads it.
    pub(crate) fn step(self, origin: &str, plan: &mut Plan) {
        let step = match self {
            Self::Planned(Filter { flags, program, .. }) => {
                Step::Seccomp { flags: *flags, program }
            }
            Self::Later(fd) => Step::SeccompFile { fd },
        };
        plan.push(step, origin.to_owned());
    }
}

impl Filter {
    /// The configuration's, of which nothing was judged before.
    ///
    /// # Errors
    /// Those of [`Filter::compile`], and of [`check`].
    pub(crate) fn of(spec: &Spec) -> std::result::Result<Option<Self>, Invalid> {
        let Some(section) = section(spec)? else { return Ok(None) };
        let compiled = Self::with_program(&section, knows_all(spec));
        compiled.map(|(filter, _)| Some(filter)).map_err(|invalid| invalid.below(POINTER))
    }

    /// # Errors
    /// What can't be meant or can't be carried out; pointers begin at the section.
    pub(crate) fn compile(section: &Seccomp) -> std::result::Result<Self, Invalid> {
        Self::with_program(section, false).map(|(filter, _)| filter)
    }

    /// The same, and the program itself.
    ///
    /// # Errors
    /// Those of [`Filter::compile`].
    pub(crate) fn with_program(
        section: &Seccomp,
        knows_all: bool,
    ) -> std::result::Result<(Self, Program), Invalid> {
        let (mut flags, profile) = read(section, knows_all)?;
        let program = profile.compile().map_err(wrong)?;
        let execve = Arch::NATIVE.number("execve").unwrap_or_default();
        let data = Data { arch: Arch::NATIVE, number: execve, args: [1; 6] };
        if program.answer(&data).is_none_or(Action::is_denial) {
            return Err(Invalid::new("", "no program can be run, for execve(2) is denied"));
        }
        let agent = program.returns(Action::NOTIFY).then(|| agent(section)).transpose()?;
        match agent {
            Some(_) => flags |= FILTER_FLAG_NEW_LISTENER,
            None => flags &= !WAIT_KILLABLE_RECV,
        }
        Ok((Self { flags, program: to_bytes(&program), agent }, program))
    }

    /// The same with another program, for a run whose calls are looked at.
    pub(crate) fn watched(&self, program: &Program) -> Self {
        // A call whose answer is on its way isn't broken off by a signal then (Linux 5.19).
        let killable = if seccomp_knows(FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE_RECV) {
            WAIT_KILLABLE_RECV
        } else {
            0
        };
        Self {
            flags: self.flags | FILTER_FLAG_NEW_LISTENER | killable,
            program: to_bytes(program),
            agent: None,
        }
    }

    /// What [`Step::SeccompFile`] reads.
    pub(crate) fn to_file(&self) -> Vec<u8> {
        [&self.flags.to_ne_bytes(), self.program.as_slice()].concat()
    }

    /// What a further process of the container needs of it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let (path, metadata) =
            self.agent.as_ref().map_or(("", ""), |agent| (&agent.path, &agent.metadata));
        let mut bytes = self.flags.to_ne_bytes().to_vec();
        for text in [path, metadata] {
            bytes.extend_from_slice(&(text.len() as u32).to_ne_bytes()); // a configuration is no longer
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(&self.program);
        bytes
    }

    /// What [`Filter::to_bytes`] has written; none of anything else.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (flags, rest) = bytes.split_first_chunk()?;
        let flags = u32::from_ne_bytes(*flags);
        let (path, rest) = text(rest)?;
        let (metadata, program) = text(rest)?;
        let agent = (!path.is_empty()).then_some(Agent { path, metadata });
        let is_whole = !program.is_empty()
            && program.len().is_multiple_of(INSTRUCTION)
            && agent.is_some() == (flags & FILTER_FLAG_NEW_LISTENER != 0);
        is_whole.then(|| Self { flags, program: program.to_vec(), agent })
    }
}

fn to_bytes(program: &Program) -> Vec<u8> {
    program.instructions().iter().flat_map(|one| one.to_bytes()).collect()
}

/// A text behind its length, and what follows.
fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(u32::from_ne_bytes(*length) as usize)?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

/// Who answers the notifications of a profile that has some.
fn agent(section: &Seccomp) -> std::result::Result<Agent, Invalid> {
    let (path, metadata) = (section.listener_path.clone(), section.listener_metadata.clone());
    match path.starts_with('/') {
        true => Ok(Agent { path, metadata }),
        false if path.is_empty() => Err(Invalid::new(
            "/listenerPath",
            "listenerPath is not set, and SCMP_ACT_NOTIFY needs an agent that answers",
        )),
        // `exec` may be called in another directory.
        false => Err(Invalid::new("/listenerPath", format!("{}: not absolute", quoted(&path)))),
    }
}

/// Capabilities that a process keeps until its filter is loaded. The program's own follow from its other sets,
/// execve(2).
pub(crate) fn kept_capabilities(process: &Process, is_filtered: bool) -> u64 {
    if is_filtered && !process.no_new_privileges { CAP_SYS_ADMIN } else { 0 }
}

fn flags(section: &Seccomp) -> std::result::Result<u32, Invalid> {
    let Some(names) = &section.flags else { return Ok(DEFAULT) };
    let bit = |(index, name): (usize, &String)| {
        let known = FLAGS.iter().find(|(known, _)| known == name);
        known.map(|(_, bit)| *bit).ok_or_else(|| {
            let reason = format!("{}: there is no such flag", quoted(name));
            Invalid::new(format!("/flags/{index}"), reason)
        })
    };
    names.iter().enumerate().map(bit).try_fold(0, |flags, bit| Ok(flags | bit?))
}

/// A configuration's section.
///
/// # Errors
/// A value has the wrong type or is missing.
pub(crate) fn section(spec: &Spec) -> std::result::Result<Option<Cow<'_, Seccomp>>, Invalid> {
    let section = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    section.map(Deferred::read).transpose().map_err(|error| match error {
        ParseError::Value { pointer, reason } => Invalid::new(pointer, reason).below(POINTER),
        // Its syntax was looked at with the rest.
        ParseError::Syntax { reason, .. } => Invalid::new(POINTER, reason),
    })
}

/// Judges a configuration's section, but for what the whole of it comes to.
///
/// # Errors
/// What can't be meant.
pub(crate) fn check(spec: &Spec) -> std::result::Result<(), Invalid> {
    let Some(section) = section(spec)? else { return Ok(()) };
    read(&section, knows_all(spec)).map(drop).map_err(|invalid| invalid.below(POINTER))
}

/// Whether a name that is no system call's is an error.
fn knows_all(spec: &Spec) -> bool {
    spec.annotations.contains_key(FAIL_UNKNOWN_SYSCALL)
}

/// Its flags, and the rest.
fn read(section: &Seccomp, knows_all: bool) -> std::result::Result<(u32, Profile<'_>), Invalid> {
    if section.listener_path.is_empty() && !section.listener_metadata.is_empty() {
        return Err(Invalid::new("/listenerMetadata", "there is no listenerPath"));
    }
    let flags = flags(section)?;
    let profile = Profile::read(section, Arch::NATIVE).map_err(wrong)?;
    match profile.unknown().first() {
        Some((pointer, name)) if knows_all => {
            Err(Invalid::new(pointer, format!("{} is no system call", quoted(name))))
        }
        _ => Ok((flags, profile)),
    }
}

fn wrong(error: coble_seccomp::Error) -> Invalid {
    let reason = match error.word.as_str() {
        "" => error.reason,
        word => format!("{} {}", quoted(word), error.reason),
    };
    Invalid::new(error.pointer, reason)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn section(value: serde_json::Value) -> Seccomp {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn flags_are_those_asked_for() {
        let flags = |names| {
            let mut section = section(json!({"defaultAction": "SCMP_ACT_ALLOW"}));
            section.flags = names;
            Filter::compile(&section).map(|filter| filter.flags).map_err(|error| error.to_string())
        };
        let names = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(flags(None), Ok(4));
        assert_eq!(flags(names(&[])), Ok(0));
        let all = ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG"];
        assert_eq!(flags(names(&all)), Ok(2));
        let error = flags(names(&["SECCOMP_FILTER_FLAG_LOG", "LOG"])).unwrap_err();
        assert_eq!(error, "/flags/1: \"LOG\": there is no such flag");
    }

    #[test]
    fn a_profile_under_which_nothing_runs_is_refused() {
        for action in ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"]
        {
            let error = Filter::compile(&section(json!({"defaultAction": action}))).unwrap_err();
            assert_eq!(error.reason, "no program can be run, for execve(2) is denied");
            let rules = json!([{"names": ["execve"], "action": "SCMP_ACT_ALLOW"}]);
            let one = section(json!({"defaultAction": action, "syscalls": rules}));
            assert!(Filter::compile(&one).is_ok(), "{action}");
        }
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let mut with_agent = notified();
        with_agent["listenerPath"] = "/run/agent".into();
        for value in [json!({"defaultAction": "SCMP_ACT_ALLOW"}), with_agent] {
            let filter = Filter::compile(&section(value)).unwrap();
            assert_eq!(Filter::from_bytes(&filter.to_bytes()), Some(filter.clone()));
            let bytes = filter.to_bytes();
            for wrong in [&bytes[..4], &bytes[..8], &bytes[..12], &bytes[..bytes.len() - 1], &[]] {
                assert_eq!(Filter::from_bytes(wrong), None, "{wrong:?}");
            }
            // An agent and no listener, or the other way round.
            let mut bytes = bytes;
            bytes[0] ^= 1 << 3;
            assert_eq!(Filter::from_bytes(&bytes), None);
        }
    }

    fn notified() -> serde_json::Value {
        let rule = json!([{"names": ["mkdir", "write"], "action": "SCMP_ACT_NOTIFY"}]);
        json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rule})
    }

    #[test]
    fn notifications_have_an_agent() {
        let compile = |path: &str, flags: &[&str]| {
            let mut value = notified();
            value["listenerPath"] = path.into();
            if !path.is_empty() {
                value["listenerMetadata"] = "words".into();
            }
            value["flags"] = json!(flags);
            Filter::compile(&section(value))
        };
        let filter = compile("/run/agent", &["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]).unwrap();
        let agent = Agent { path: "/run/agent".to_owned(), metadata: "words".to_owned() };
        assert_eq!((filter.flags, filter.agent), (1 << 3 | 1 << 5, Some(agent)));
        for (path, reason) in [
            ("", "listenerPath is not set, and SCMP_ACT_NOTIFY needs an agent that answers"),
            ("agent", "\"agent\": not absolute"),
        ] {
            let error = compile(path, &[]).unwrap_err();
            assert_eq!((&*error.pointer, &*error.reason), ("/listenerPath", reason));
        }
    }

    #[test]
    fn an_agent_without_notifications_is_passed_over() {
        let value = json!({
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "nowhere",
            "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
        });
        let filter = Filter::compile(&section(value)).unwrap();
        assert_eq!((filter.flags, filter.agent), (0, None));
        let value = json!({"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"});
        let error = read(&section(value), false).unwrap_err().to_string();
        assert_eq!(error, "/listenerMetadata: there is no listenerPath");
    }

    #[test]
    fn unknown_names_are_refused_on_demand() {
        let rules = json!([{"names": ["read", "time_travel"], "action": "SCMP_ACT_LOG"}]);
        let section = section(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}));
        assert!(read(&section, false).is_ok());
        let error = read(&section, true).unwrap_err().to_string();
        assert_eq!(error, "/syscalls/0/names/1: \"time_travel\" is no system call");
    }
}
