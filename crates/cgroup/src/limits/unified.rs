//! `unified`: files of v2 by their names.

use coble_spec::{Resources, reference_token};
use coble_sys::rustix::io::Errno;

use super::Write;
use super::journal::Journal;
use super::write::missing;
use crate::file::Writer;
use crate::{Cgroup, Error};

/// # Errors
/// [`Error::Value`] if there is v1 as well, or for a name that is more or less than that of a file.
pub(super) fn writes(resources: &Resources, has_v1: bool) -> Result<Vec<Write>, Error> {
    let mut writes = Vec::new();
    for (name, value) in &resources.unified {
        let pointer = format!("/linux/resources/unified/{}", reference_token(name));
        if has_v1 {
            let why = "invalid configuration: can't be used on a machine with cgroup v1";
            return Err(Error::value(pointer, why));
        }
        if name.contains(['/', '\0']) {
            return Err(Error::value(pointer, "must be a file name (no slashes)"));
        }
        if !name.contains('.') || name.starts_with('.') {
            return Err(Error::value(pointer, "must be in the form CONTROLLER.PARAMETER"));
        }
        writes.push(Write::new(pointer, name.clone(), value));
    }
    Ok(writes)
}

/// Writes each value line by line, as the kernel takes such files.
///
/// # Errors
/// [`Error::NoController`] or [`Error::Os`].
pub(super) fn run(cgroup: &Cgroup, writes: &[Write], journal: &mut Journal) -> Result<(), Error> {
    for write in writes {
        let controller = write.file.split('.').next().unwrap_or_default();
        let Some(place) = cgroup.unified() else {
            return Err(Error::NoController {
                pointer: write.pointer.to_string(),
                controller: controller.to_owned(),
                place: "without a cgroup".to_owned(),
                remedy: String::new(),
            });
        };
        let file = Writer::open(place.dir(), &write.file).map_err(|error| {
            if error.errno() == Some(Errno::NOENT) && controller != "cgroup" {
                missing(place, controller, write)
            } else {
                error.at(&write.pointer)
            }
        })?;
        for line in lines(&write.value) {
            let old = journal.look(place.dir(), &write.file, line);
            file.write(line).map_err(|error| error.at(&write.pointer))?;
            journal.note(old);
        }
    }
    Ok(())
}

/// The lines of a value with their ends; an empty value is one empty line, which some files take.
fn lines(value: &str) -> Vec<&str> {
    if value.is_empty() { vec![""] } else { value.split_inclusive('\n').collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::tests::values;

    fn on(name: &str, has_v1: bool) -> Vec<String> {
        let unified = [(name.to_owned(), "1".to_owned())].into();
        values(writes(&Resources { unified, ..Resources::default() }, has_v1))
    }

    #[test]
    fn names_are_those_of_files() {
        assert_eq!(on("memory.high", false), ["memory.high=1"]);
        for name in ["a/b.c", "../x.y", "memory", "", ".", "..", ".x"] {
            assert!(on(name, false)[0].starts_with("/linux/resources/unified/"), "{name}");
        }
        assert!(on("a/b.c", false)[0].starts_with("/linux/resources/unified/a~1b.c: "));
    }

    #[test]
    fn v1_has_none() {
        assert!(on("memory.high", true)[0].contains("can't be used on a machine with cgroup v1"));
    }

    #[test]
    fn values_are_taken_line_by_line() {
        assert_eq!(lines("8:0 rbps=1\n8:16 rbps=2\n"), ["8:0 rbps=1\n", "8:16 rbps=2\n"]);
        assert_eq!(lines("a\nb"), ["a\n", "b"]);
        assert_eq!(lines(""), [""]);
    }
}
