//! What is looked at of the system calls of a container that is run: which are denied, and which it needs.

use coble_seccomp::{Action, Arch, Program, Seen};
use coble_spec::{Seccomp, Spec};

use crate::error::{Error, Result};
use crate::filter::{self, Filter, POINTER};
use crate::validate::Invalid;

/// What [`Run`](crate::Run) is to find out about the program's system calls.
///
/// Calls that are denied are left to this process (seccomp_unotify(2)), which answers as the profile does; where `used` is asked
/// for, all others stop the program for a moment (ptrace(2)). What the profile leaves to a handler of SIGSYS is not seen.
/// Programs of the container can't have a listener of their own then, nor trace each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observe {
    /// Which calls the profile denies.
    pub denied: bool,
    /// The least profile with which the program does what it does.
    pub used: bool,
    /// Profiles that came of former runs, whose calls are needed as well.
    pub former: Vec<Seccomp>,
}

/// What was found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Calls that were denied, in the order of the first of each.
    pub denied: Vec<Denial>,
    /// How many denied calls there were beside these, for there is no end to the numbers that a program can use.
    pub others: u64,
    /// The least profile, if it was asked for.
    pub profile: Option<Seccomp>,
}

/// A system call that was denied, in one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The architecture; none for one that coble doesn't know.
    pub arch: Option<Arch>,
    /// The call's number there.
    pub number: u32,
    /// What became of it.
    pub action: Action,
    /// How often.
    pub count: u64,
    /// The arguments of the first one; text and structures are addresses in its memory.
    pub args: [u64; 6],
    /// The thread that made the first one, in this process's pid namespace.
    pub pid: u32,
    /// That thread's name, proc_pid_comm(5); any bytes but a line end. Empty if it was gone.
    pub process: String,
}

/// A profile that is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    /// What is loaded.
    pub(crate) filter: Filter,
    /// What answers.
    pub(crate) program: Program,
    /// What it was made of.
    pub(crate) section: Seccomp,
    /// What former runs have made, where what is used is to be found out.
    pub(crate) seen: Option<Seen>,
}

impl Observe {
    /// Whether anything is to be found out.
    pub(crate) fn is_wanted(&self) -> bool {
        self.denied || self.used
    }

    /// How a configuration's calls are looked at.
    ///
    /// # Errors
    /// It has no profile that could deny anything; its profile leaves calls to an agent.
    pub(crate) fn watch(&self, spec: &Spec) -> Result<Option<Watched>> {
        if !self.is_wanted() {
            return Ok(None);
        }
        let wrong =
            |invalid: Invalid| Error::config(&invalid.pointer, format!("config.json: {invalid}"));
        let section = match filter::section(spec).map_err(wrong)? {
            Some(section) => section.into_owned(),
            None if self.used => free(),
            None => {
                let words = "linux.seccomp is missing, so that no profile denies anything";
                return Err(Error::config(POINTER, format!("config.json: {words}")));
            }
        };
        let (filter, program) = Filter::with_program(&section, false)
            .map_err(|invalid| wrong(invalid.below(POINTER)))?;
        let refuse =
            |words: &str| Err(Error::config(POINTER, format!("config.json: {POINTER}: {words}")));
        if filter.agent.is_some() {
            return refuse("a profile that leaves calls to an agent can't be looked at as well");
        }
        // Its tracer would be this process, which doesn't know what becomes of the calls.
        if self.used && program.answers().any(Action::is_traced) {
            return refuse("a profile that leaves calls to a tracer can't be looked at as well");
        }
        let filter = filter.watched(&program.mapped(|action| self.leave(action)));
        let seen = self.used.then(|| {
            let mut seen = Seen::default();
            self.former.iter().for_each(|profile| seen.add_profile(profile));
            seen
        });
        Ok(Some(Watched { filter, program, section, seen }))
    }
}

impl Observe {
    /// Who is asked in place of an action: of denials this process, who answers; of what is let through a tracer, which
    /// this process is then, too. The latter could be asked as the former are, if the kernel didn't break off calls that wait
    /// to be asked for when a signal comes: fork(2) and rt_sigreturn(2) aren't made for that.
    fn leave(&self, action: Action) -> Action {
        match action {
            action if action.errno().is_some() || action.is_kill() => Action::NOTIFY,
            Action::ALLOW | Action::LOG if self.used => Action::TRACE,
            action => action,
        }
    }
}

/// Where there is no profile: every call is let through, of 32-bit programs, too.
fn free() -> Seccomp {
    let archs = Arch::NATIVE.and_compatible().map(Arch::name);
    let architectures = archs.collect();
    Seccomp { default_action: "SCMP_ACT_ALLOW".to_owned(), architectures, ..Seccomp::default() }
}
