//! Processes that the kernel has killed for want of memory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use coble_sys::rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use coble_sys::rustix::fd::{AsRawFd, OwnedFd};
use coble_sys::rustix::fs::{self, Mode, OFlags};
use coble_sys::rustix::io::{self, Errno};

use crate::error::is_gone;
use crate::place::Place;
use crate::{Cgroup, Error, file, remedy, tree};

pub(crate) const CONTROL: &str = "memory.oom_control";
pub(crate) const EVENTS: &str = "memory.events";
const USAGE: &str = "memory.usage_in_bytes";
/// Bytes that nothing uses.
const NEVER: u64 = 1 << 62;

/// How long v1's notification may come before what it is about.
const LEAD: Duration = Duration::from_secs(1);
/// In what steps the counters are read meanwhile.
const STEP: Duration = Duration::from_millis(2);

/// Counts the processes of a cgroup that the kernel kills for want of memory, from the watch's beginning on.
///
/// The kernel's counters decide; its notifications only say when to read them. v1 notifies before it kills, also
/// those cgroups below the limit that no process is taken from, and once more when the cgroup is removed; v2 notifies of
/// other events as well. The counters go with the cgroup, which may be gone before they are read for the last time:
/// then what notifies, whoever removed the cgroup ([`OomWatch::listen_to`]), or the cgroup above has to tell.
#[derive(Debug)]
pub struct OomWatch {
    place: Place,
    notifier: Notifier,
    /// v2: a file for the text of [`Cgroup::last_oom_events`].
    last: Option<OwnedFd>,
    /// What each counter said.
    counters: BTreeMap<Counter, u64>,
    /// v1: until when a kill is expected that a notification has announced.
    expected: Option<Instant>,
}

/// Where kills are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Counter {
    /// v1: in each directory, by the number of its inode.
    Directory(u64),
    /// v2: in the cgroup's own.
    Own,
    /// v2: in that above it.
    Above,
}

/// Tells when to read the counters.
#[derive(Debug)]
enum Notifier {
    /// Eventfds; the second one tells only that the cgroup was removed.
    V1 { oom: OwnedFd, removal: OwnedFd },
    /// `memory.events` of the cgroup and, unless that is the root, of the one above it, which counts it as well.
    V2 { own: OwnedFd, above: Option<OwnedFd> },
}

impl Cgroup {
    /// Watches for processes of the cgroup that are killed for want of memory.
    ///
    /// # Errors
    /// [`Error::NoController`] without a memory controller; [`Error::Os`].
    pub fn watch_oom(&self) -> Result<OomWatch, Error> {
        let place = self.memory_place();
        let missing = |place, remedy| Error::NoController {
            pointer: String::new(),
            controller: "memory".to_owned(),
            place,
            remedy,
        };
        let Some(place) = place else {
            return Err(missing("without a cgroup".to_owned(), String::new()));
        };
        match Notifier::of(place) {
            Err(error) if place.is_v2() && error.errno() == Some(Errno::NOENT) => {
                Err(missing(format!("in {}", place.dir()), remedy::in_v2(place, "memory")))
            }
            notifier => OomWatch::begin(place, notifier?),
        }
    }

    /// The counters as text, for those who watch with v2, where they are gone with the cgroup. To be taken before that is
    /// removed, and after its processes have ended.
    pub fn last_oom_events(&self) -> Option<String> {
        let place = self.unified().filter(|_| self.of("memory").is_none())?;
        file::read(place.dir(), EVENTS).ok()
    }
}

impl Notifier {
    fn of(place: &Place) -> Result<Self, Error> {
        if place.is_v2() {
            let own = open(place.dir(), EVENTS)?;
            let above = place.ancestors().next().and_then(|dir| open(dir, EVENTS).ok());
            return Ok(Self::V2 { own, above });
        }
        // The kernel sends word of a removal to the last one first.
        let removal = register(place, USAGE, &NEVER.to_string())?;
        Ok(Self::V1 { oom: register(place, CONTROL, "")?, removal })
    }
}

fn open(dir: &str, name: &str) -> Result<OwnedFd, Error> {
    let path = format!("{dir}/{name}");
    fs::open(&*path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| Error::os("open", path, errno))
}

/// An eventfd that v1's memory controller adds to.
fn register(place: &Place, name: &str, argument: &str) -> Result<OwnedFd, Error> {
    let file = open(place.dir(), name)?;
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|errno| Error::os("watch", format!("{}/{name}", place.dir()), errno))?;
    let line = format!("{} {} {argument}", event.as_raw_fd(), file.as_raw_fd());
    file::write(place.dir(), "cgroup.event_control", &line)?;
    Ok(event)
}

impl OomWatch {
    fn begin(place: &Place, notifier: Notifier) -> Result<Self, Error> {
        let counters = BTreeMap::new();
        let mut watch =
            Self { place: place.clone(), notifier, last: None, counters, expected: None };
        watch.check()?;
        watch.expected = None;
        Ok(watch)
    }

    /// Takes a file that is empty until the cgroup's remover writes [`Cgroup::last_oom_events`] to it.
    pub fn listen_to(&mut self, last: OwnedFd) {
        self.last = Some(last);
    }

    /// What to wait for with poll(2) before the next [`OomWatch::check`].
    pub fn poll_fds(&self) -> Vec<PollFd<'_>> {
        match &self.notifier {
            Notifier::V1 { oom, .. } => vec![PollFd::new(oom, PollFlags::IN)],
            Notifier::V2 { own, above } => {
                [Some(own), above.as_ref()].into_iter().flatten().map(changes).collect()
            }
        }
    }

    /// How long to wait at most, if it is not for any time.
    pub fn patience(&self) -> Option<Duration> {
        self.expected.map(|_| STEP)
    }

    /// How many processes were killed since the last call. Where the kernel is told not to kill (v1's
    /// `disableOOMKiller`), each time that processes are stopped for want of memory counts.
    ///
    /// # Errors
    /// [`Error::Os`]; [`Error::Unreadable`].
    pub fn check(&mut self) -> Result<u64, Error> {
        match &self.notifier {
            Notifier::V1 { oom, .. } => {
                let told = take(oom)?;
                self.check_v1(told)
            }
            Notifier::V2 { own, above } => {
                let mut own = read(own)?;
                if own.is_none() {
                    let last = self.last.as_ref().map(read).transpose()?.flatten();
                    own = last.filter(|text| !text.is_empty());
                }
                let above = above.as_ref().map(read).transpose()?.flatten();
                let all = above.map_or(0, |text| self.growth(Counter::Above, &text));
                Ok(own.map_or(all, |text| self.growth(Counter::Own, &text)))
            }
        }
    }

    fn check_v1(&mut self, told: u64) -> Result<u64, Error> {
        let Some(kills) = self.kills_v1()? else { return self.last_v1(told) };
        if kills == 0 && told > 0 && self.is_held()? {
            return Ok(1);
        }
        if told > kills {
            self.expected = Some(Instant::now() + LEAD);
        } else if kills > 0 || self.expected.is_some_and(|end| Instant::now() >= end) {
            self.expected = None;
        }
        Ok(kills)
    }

    /// By how much the counters have grown since the last call; none if the cgroup is gone. v1 counts each directory by
    /// itself.
    fn kills_v1(&mut self) -> Result<Option<u64>, Error> {
        let mut kills = None;
        let top = self.place.dir().to_owned();
        tree::each(&top, |directory| {
            match directory.read(CONTROL) {
                Ok(text) => {
                    let more = self.growth(Counter::Directory(directory.inode), &text);
                    kills = Some(kills.unwrap_or(0) + more);
                }
                Err(Error::Os { errno, .. }) if is_gone(errno) => {}
                Err(error) => return Err(error),
            }
            Ok(())
        })?;
        Ok(kills)
    }

    /// What notifications say when the counters are gone: one is about the removal, the others are about kills. A kill
    /// comes long before the removal, word of that after it.
    fn last_v1(&mut self, told: u64) -> Result<u64, Error> {
        let expected = u64::from(self.expected.take().is_some());
        let Notifier::V1 { oom, removal } = &self.notifier else { return Ok(0) };
        if told == 0 {
            return Ok(expected);
        }
        let patience = Timespec::try_from(LEAD).ok();
        let mut watched = [PollFd::new(removal, PollFlags::IN)];
        io::retry_on_intr(|| poll(&mut watched, patience.as_ref()))
            .map_err(|errno| Error::os("wait for", self.place.dir(), errno))?;
        Ok(expected + (told + take(oom)?).saturating_sub(1))
    }

    fn growth(&mut self, counter: Counter, text: &str) -> u64 {
        let count = kill_count(text);
        let old = self.counters.insert(counter, count);
        count.saturating_sub(old.unwrap_or(0))
    }

    /// Whether v1's killer is switched off, and processes wait for memory.
    fn is_held(&self) -> Result<bool, Error> {
        match file::read(self.place.dir(), CONTROL) {
            Ok(text) => Ok(text.lines().filter(|line| is_switch_on(line)).count() == 2),
            Err(Error::Os { errno, .. }) if is_gone(errno) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn changes(file: &OwnedFd) -> PollFd<'_> {
    PollFd::new(file, PollFlags::PRI)
}

/// How often an eventfd was notified since the last call.
fn take(event: &OwnedFd) -> Result<u64, Error> {
    let mut count = [0; 8];
    match io::retry_on_intr(|| io::read(event, &mut count[..])) {
        Ok(_) => Ok(u64::from_ne_bytes(count)),
        Err(Errno::AGAIN) => Ok(0),
        Err(errno) => Err(Error::os("read", "an eventfd", errno)),
    }
}

/// A file that is open, whose read makes poll(2) wait for the next change; none if it is gone.
fn read(events: &OwnedFd) -> Result<Option<String>, Error> {
    let mut buffer = [0; 512];
    match io::retry_on_intr(|| io::pread(events, &mut buffer[..], 0)) {
        Ok(length) => file::text(buffer[..length].to_vec(), EVENTS.to_owned()).map(Some),
        Err(errno) if is_gone(errno) => Ok(None),
        Err(errno) => Err(Error::os("read", EVENTS, errno)),
    }
}

fn is_switch_on(line: &str) -> bool {
    matches!(line, "oom_kill_disable 1" | "under_oom 1")
}

/// The line `oom_kill NUMBER`.
pub(crate) fn kill_count(text: &str) -> u64 {
    let number = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok());
    number.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that plays a cgroup of v2.
    struct Played(std::path::PathBuf);

    impl Played {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("coble-oom-{}-{name}", std::process::id()));
            std::fs::create_dir(&dir).unwrap();
            Self(dir)
        }

        fn say(&self, high: u64, oom: u64, oom_kill: u64) {
            let text = format!(
                "low 0\nhigh {high}\nmax 5\noom {oom}\noom_kill {oom_kill}\noom_group_kill 0\n"
            );
            std::fs::write(self.0.join(EVENTS), text).unwrap();
        }

        fn watch(&self) -> OomWatch {
            let (point, name) = self.0.to_str().unwrap().rsplit_once('/').unwrap();
            let place = Place::new("", point, name);
            OomWatch::begin(&place, Notifier::of(&place).unwrap()).unwrap()
        }
    }

    impl Drop for Played {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn v2_counts_kills_and_nothing_else() {
        let played = Played::new("kills");
        played.say(0, 1, 2);
        let mut watch = played.watch();
        assert_eq!(watch.check(), Ok(0), "what was before is not told");
        for (high, oom, oom_kill, expected) in
            [(9, 1, 2, 0), (9, 2, 2, 0), (9, 2, 3, 1), (9, 2, 3, 0), (9, 4, 7, 4), (10, 4, 7, 0)]
        {
            played.say(high, oom, oom_kill);
            assert_eq!(watch.check(), Ok(expected), "{high} {oom} {oom_kill}");
        }
        assert_eq!(watch.patience(), None);
    }

    #[test]
    fn the_line_is_that_of_single_kills() {
        assert_eq!(kill_count("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), 3);
        assert_eq!(kill_count("oom 4\noom_group_kill 5\n"), 0);
        assert_eq!(["oom_kill_disable 1", "under_oom 1"].map(is_switch_on), [true, true]);
        assert_eq!(["oom_kill_disable 0", "oom_kill 1"].map(is_switch_on), [false, false]);
    }
}
