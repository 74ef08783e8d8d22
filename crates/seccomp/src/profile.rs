//! A profile: the configuration's section, checked, with names looked up.

use coble_spec::{Seccomp, Syscall};

use crate::action::Action;
use crate::arch::{Arch, Gate, gate, row_near};
use crate::condition::Condition;
use crate::error::Error;

/// A checked `linux.seccomp`.
#[derive(Clone, Debug)]
pub struct Profile<'a> {
    /// What becomes of calls that no rule is about.
    pub(crate) default: Action,
    /// The architectures whose calls the rules are about, the kernel's own first.
    pub(crate) archs: Vec<Arch>,
    /// The rules in their order. The first one that a call meets decides.
    pub(crate) rules: Vec<Rule>,
    /// The calls that rules are about.
    pub(crate) calls: Vec<Call>,
    /// Names that are no call's on any architecture, where they stand.
    pub(crate) unknown: Vec<(String, &'a str)>,
}

/// What becomes of calls under conditions, all of which have to be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) action: Action,
    pub(crate) conditions: Vec<Condition>,
}

/// That a rule is about a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Its row in the table.
    pub(crate) row: usize,
    /// What it can be made through on some architectures.
    pub(crate) gate: Option<Gate>,
    /// The first of the rules, and how many.
    pub(crate) rules: (usize, usize),
    /// Which of the section's entries names it.
    pub(crate) entry: usize,
}

impl<'a> Profile<'a> {
    /// Checks a section for a kernel of this architecture.
    ///
    /// # Errors
    /// What can't be meant: an unknown action, operator or architecture, an error number where none is taken.
    pub fn read(section: &'a Seccomp, native: Arch) -> Result<Self, Error> {
        let names = ["/defaultAction", "/defaultErrnoRet"];
        if section.default_action.is_empty() {
            let words = "missing; who wants no filter leaves the section out, or writes null";
            return Err(Error::at(names[0], words));
        }
        let default = Action::read(names, &section.default_action, section.default_errno_ret)?;
        let archs = archs(section, native)?;
        let (rules, calls, unknown) = (Vec::new(), Vec::new(), Vec::new());
        let mut profile = Self { default, archs, rules, calls, unknown };
        for (index, syscall) in section.syscalls.iter().enumerate() {
            let below = |error: Error| error.below(format!("/syscalls/{index}"));
            profile.add(index, syscall).map_err(below)?;
        }
        Ok(profile)
    }

    /// Names that are no call's on any architecture: JSON pointers below the section, and the names. They are passed
    /// over, for a profile may know calls that are newer than the table.
    pub fn unknown(&self) -> &[(String, &'a str)] {
        &self.unknown
    }

    /// The rules of one of the calls.
    pub(crate) fn rules_of(&self, call: usize) -> &[Rule] {
        let (first, count) = self.calls[call].rules;
        &self.rules[first..][..count]
    }

    /// Errors are told from the entry on.
    fn add(&mut self, entry: usize, syscall: &'a Syscall) -> Result<(), Error> {
        if syscall.names.is_empty() {
            return Err(Error::at("/names", "there is no name"));
        }
        let names = ["/action", "/errnoRet"];
        let action = Action::read(names, &syscall.action, syscall.errno_ret)?;
        let first = self.rules.len();
        self.rules.extend(rules(action, syscall)?);
        let rules = (first, self.rules.len() - first);
        self.calls.reserve(syscall.names.len());
        for (index, name) in syscall.names.iter().enumerate() {
            let near = self.calls.last().map_or(0, |call| call.row);
            match row_near(near, name) {
                Some(row) => self.calls.push(Call { row, gate: gate(name), rules, entry }),
                None => self.unknown.push((format!("/syscalls/{entry}/names/{index}"), name)),
            }
        }
        Ok(())
    }
}

fn archs(section: &Seccomp, native: Arch) -> Result<Vec<Arch>, Error> {
    let mut archs = vec![native];
    for (index, name) in section.architectures.iter().enumerate() {
        let unknown =
            || Error::about(format!("/architectures/{index}"), name, "is no architecture");
        let arch = Arch::named(name).ok_or_else(unknown)?;
        if !archs.contains(&arch) {
            archs.push(arch);
        }
    }
    Ok(archs)
}

/// The rules that an entry makes: one; or, where it names an argument twice, one for each condition, any of which is
/// enough then (as libseccomp's callers have always read it).
fn rules(action: Action, syscall: &Syscall) -> Result<Vec<Rule>, Error> {
    let read =
        |(index, arg)| Condition::read(arg).map_err(|error| error.below(format!("/args/{index}")));
    let mut conditions =
        syscall.args.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
    let repeated = |condition: &Condition| {
        conditions.iter().filter(|other| other.index == condition.index).count() > 1
    };
    if conditions.iter().any(repeated) {
        let rule = |condition| Rule { action, conditions: vec![condition] };
        return Ok(conditions.into_iter().map(rule).collect());
    }
    conditions.sort_unstable();
    Ok(vec![Rule { action, conditions }])
}
