//! What keeps processes from ending, or from being held.

use crate::error::is_gone;
use crate::place::Place;
use crate::{Cgroup, Error, file, freezer, processes};

/// Processes that are named at most.
const NAMED: usize = 3;
/// Where a process waits that v1's freezer holds, by the names of the kernel's functions.
const HELD: [&str; 2] = ["__refrigerator", "do_freezer_trap"];

/// A process that doesn't do what it is told to.
struct Stuck {
    pid: i32,
    name: String,
    /// A letter of proc_pid_stat(5).
    state: char,
    /// The kernel's function that it waits in; empty if that can't be told.
    waits_in: String,
}

impl Cgroup {
    /// The directory that holds its processes, its own or one above: it was told to freeze.
    pub fn frozen_by(&self) -> Option<&str> {
        let place = self.freezer()?;
        let is_own = freezer::is_frozen(place).unwrap_or(false);
        if is_own { Some(place.dir()) } else { frozen_above(place) }
    }

    /// Refuses a cgroup that one above it holds: what is started there does not run, and its starter waits.
    ///
    /// # Errors
    /// [`Error::FrozenAbove`]; [`Error::Os`].
    pub fn refuse_frozen_above(&self) -> Result<(), Error> {
        let Some(place) = self.freezer() else { return Ok(()) };
        // v1 has one file that tells of all above. What v2 has like it (`cgroup.events`) tells late.
        if !place.is_v2() && !is_held_above(place)? {
            return Ok(());
        }
        match frozen_above(place) {
            Some(dir) => Err(Error::FrozenAbove { path: dir.to_owned() }),
            None => Ok(()),
        }
    }

    /// The directory above that keeps even a process that got SIGKILL, as v1's freezer does.
    pub fn frozen_above_for_good(&self) -> Option<&str> {
        self.of("freezer").and_then(frozen_above)
    }

    /// Why the cgroup's processes don't end although they were killed, in words; empty if that can't be told.
    pub fn hindrance(&self) -> String {
        self.main_place().map_or_else(String::new, |place| self.hindrance_in(place))
    }

    /// The same for those in one of its directories.
    pub(crate) fn hindrance_in(&self, place: &Place) -> String {
        match self.frozen_above_for_good() {
            Some(dir) => format!("cgroup {dir} above it is frozen"),
            None => stuck(place),
        }
    }
}

/// The processes of a directory and of those below it that wait in the kernel, and where; all if none does.
pub(crate) fn stuck(place: &Place) -> String {
    let pids = processes::list(place).unwrap_or_default();
    let (waiting, others): (Vec<_>, Vec<_>) =
        pids.into_iter().filter_map(Stuck::look).partition(Stuck::waits);
    let named = if waiting.is_empty() { others } else { waiting };
    let mut words: Vec<String> = named.iter().take(NAMED).map(Stuck::words).collect();
    words.extend((named.len() > NAMED).then(|| format!("and {} more", named.len() - NAMED)));
    words.join(", ")
}

/// What v1 says of the directories above.
fn is_held_above(place: &Place) -> Result<bool, Error> {
    match file::read(place.dir(), "freezer.parent_freezing") {
        Ok(text) => Ok(text.trim_end() == "1"),
        Err(Error::Os { errno, .. }) if is_gone(errno) => Ok(false),
        Err(error) => Err(error),
    }
}

fn frozen_above(place: &Place) -> Option<&str> {
    // The hierarchy's root can't be frozen.
    let above = place.ancestors().filter(|dir| *dir != place.point());
    above.into_iter().find(|dir| freezer::is_told(place, dir).unwrap_or(false))
}

impl Stuck {
    /// None if it has ended.
    fn look(pid: i32) -> Option<Self> {
        let read = |name| std::fs::read_to_string(format!("/proc/{pid}/{name}"));
        let (name, state) = parse(&read("stat").ok()?)?;
        let waits_in = read("wchan").unwrap_or_default().trim_matches('0').to_owned();
        (!matches!(state, 'Z' | 'X')).then_some(Self { pid, name, state, waits_in })
    }

    /// Whether it is in a system call that nothing ends, not even SIGKILL.
    fn waits(&self) -> bool {
        self.state == 'D' && !HELD.contains(&self.waits_in.as_str())
    }

    fn words(&self) -> String {
        let Self { pid, name, state, waits_in } = self;
        match waits_in.as_str() {
            "" => format!("process {pid} ({name}) is in state {state}"),
            function => format!("process {pid} ({name}) is in state {state}, in {function}"),
        }
    }
}

/// Name and state: the name in parentheses may hold anything.
fn parse(stat: &str) -> Option<(String, char)> {
    let (start, end) = (stat.find('(')?, stat.rfind(')')?);
    let name = stat.get(start + 1..end)?;
    Some((name.replace(char::is_control, "?"), stat.get(end + 2..)?.chars().next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        assert_eq!(parse("7 (a) R (b\n) D 1 2"), Some(("a) R (b?".to_owned(), 'D')));
        assert_eq!(parse("7 (a"), None);
        assert_eq!(parse("7 (a)"), None);
    }

    #[test]
    fn what_is_held_is_not_what_waits() {
        let stuck = |state, waits_in: &str| Stuck {
            pid: 7,
            name: "dd".to_owned(),
            state,
            waits_in: waits_in.to_owned(),
        };
        assert!(stuck('D', "percpu_rwsem_wait").waits() && stuck('D', "").waits());
        assert!(!stuck('D', "__refrigerator").waits() && !stuck('S', "do_wait").waits());
        let words = "process 7 (dd) is in state D, in percpu_rwsem_wait";
        assert_eq!(stuck('D', "percpu_rwsem_wait").words(), words);
        assert_eq!(stuck('S', "").words(), "process 7 (dd) is in state S");
    }

    #[test]
    fn this_process_is_told_of() {
        let pid = std::process::id().cast_signed();
        let own = Stuck::look(pid).unwrap();
        assert!(own.pid == pid && !own.name.is_empty() && own.state.is_ascii_uppercase());
        assert!(Stuck::look(i32::MAX).is_none());
    }
}
