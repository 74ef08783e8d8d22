//! One value for one file, and what may go wrong with it.

use std::borrow::Cow;

use coble_sys::rustix::io::Errno;

use super::journal::Journal;
use crate::place::Place;
use crate::{Error, file, remedy};

/// One value for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) file: Cow<'static, str>,
    pub(crate) value: String,
    /// Where in `config.json` it comes from.
    pub(crate) pointer: Cow<'static, str>,
    /// A kernel without the file does already what is asked for.
    pub(crate) may_lack: bool,
    /// The kernel may refuse the value as long as another one of this controller is as it was before: then
    /// it is written after the others once more.
    pub(crate) may_wait: bool,
    /// Some kernels take the value and do nothing with it: it is read again.
    pub(crate) is_proved: bool,
}

impl Write {
    pub(crate) fn new(
        pointer: impl Into<Cow<'static, str>>,
        file: impl Into<Cow<'static, str>>,
        value: impl ToString,
    ) -> Self {
        Self {
            file: file.into(),
            value: value.to_string(),
            pointer: pointer.into(),
            may_lack: false,
            may_wait: false,
            is_proved: false,
        }
    }

    pub(crate) fn may_lack_if(self, may_lack: bool) -> Self {
        Self { may_lack, ..self }
    }

    pub(crate) fn may_wait_if(self, may_wait: bool) -> Self {
        Self { may_wait, ..self }
    }

    pub(crate) fn proved_if(self, is_proved: bool) -> Self {
        Self { is_proved, ..self }
    }

    fn send(&self, place: &Place, controller: &str, journal: &mut Journal) -> Result<(), Error> {
        let old = journal.look(place.dir(), &self.file, &self.value);
        match file::write(place.dir(), &self.file, &self.value) {
            Ok(()) => {
                journal.note(old);
                self.prove(place)
            }
            Err(error) if error.errno() == Some(Errno::NOENT) => {
                if self.may_lack {
                    return Ok(());
                }
                Err(missing(place, controller, self))
            }
            // Linux 5.16 and later, of kernel memory.
            Err(error) if self.is_proved && error.errno() == Some(Errno::OPNOTSUPP) => {
                Err(self.ignored())
            }
            Err(error) => Err(error.at(&self.pointer)),
        }
    }

    /// A limit in bytes is rounded down to pages, never up.
    fn prove(&self, place: &Place) -> Result<(), Error> {
        if !self.is_proved {
            return Ok(());
        }
        let now = file::read(place.dir(), &self.file)?;
        let number = |text: &str| text.trim_end().parse::<u64>().ok();
        match (number(&now), number(&self.value)) {
            (Some(now), Some(asked)) if now <= asked => Ok(()),
            _ => Err(self.ignored()),
        }
    }

    fn ignored(&self) -> Error {
        let reason = format!(
            "the cgroup controller memory of this kernel doesn't keep {}: {}",
            self.file,
            remedy::of_file(&self.file)
        );
        Error::value(self.pointer.to_string(), reason)
    }
}

/// Writes the values in their order.
///
/// # Errors
/// [`Error::NoController`] or [`Error::Os`].
pub(crate) fn run(
    place: &Place,
    controller: &str,
    writes: &[Write],
    journal: &mut Journal,
) -> Result<(), Error> {
    let mut waiting = Vec::new();
    for write in writes {
        match write.send(place, controller, journal) {
            Err(error) if write.may_wait && error.errno() == Some(Errno::INVAL) => {
                waiting.push(write);
            }
            other => other?,
        }
    }
    waiting.into_iter().try_for_each(|write| write.send(place, controller, journal))
}

/// Says whether it is the controller that is missing or only the file, and what would help.
pub(crate) fn missing(place: &Place, controller: &str, write: &Write) -> Error {
    let is_missing = place.is_v2()
        && file::read(place.dir(), "cgroup.controllers")
            .is_ok_and(|enabled| !enabled.split_whitespace().any(|one| one == controller));
    let (pointer, controller) = (write.pointer.to_string(), controller.to_owned());
    if is_missing {
        let remedy = remedy::in_v2(place, &controller);
        return Error::NoController {
            pointer,
            controller,
            place: format!("in {}", place.dir()),
            remedy,
        };
    }
    let path = format!("{}/{}", place.dir(), write.file);
    Error::NoFile { pointer, controller, path, remedy: remedy::of_file(&write.file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(writes: &[Write], place: &Place) -> String {
        run(place, "memory", writes, &mut Journal::default()).unwrap_err().to_string()
    }

    #[test]
    fn a_missing_file_is_named_with_its_place_in_the_configuration() {
        let place = Place::new("memory", "/dev/null/no", "such");
        let write = Write::new("/linux/resources/memory/limit", "memory.limit_in_bytes", 7);
        assert_eq!(
            fails(&[write], &place),
            "/linux/resources/memory/limit: cannot write \"7\" to /dev/null/no/such/memory.limit_in_bytes: \
             not a directory"
        );
    }

    #[test]
    fn only_what_may_lack_may_lack() {
        let place = Place::new("memory", "/proc/self", "fd");
        let write = Write::new("/p", "cpu.idle", 7);
        let expected = "/p: the cgroup controller memory has no /proc/self/fd/cpu.idle on this kernel: it comes with \
                        Linux 5.15 and CONFIG_FAIR_GROUP_SCHED";
        assert_eq!(fails(std::slice::from_ref(&write), &place), expected);
        let writes = [write.may_lack_if(true)];
        assert_eq!(run(&place, "memory", &writes, &mut Journal::default()), Ok(()));
    }
}
