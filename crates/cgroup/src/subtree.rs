//! `cgroup.subtree_control` (cgroup v2): what the cgroups below may be limited in.

use crate::place::Place;
use crate::{Error, file};

pub(crate) const CONTROL: &str = "cgroup.subtree_control";
pub(crate) const TYPE: &str = "cgroup.type";

/// Controllers that threaded cgroups can have as well (Linux, admin-guide/cgroup-v2.rst, "Threads").
pub(crate) const THREADED: [&str; 4] = ["cpu", "cpuset", "perf_event", "pids"];

/// Enables for the cgroup every controller that there is, as far as the kernel lets us. Whether the ones
/// that the container's limits need have come about is seen when the limits are set.
///
/// # Errors
/// [`Error::Os`] if the controllers can't even be read.
pub(crate) fn enable(place: &Place) -> Result<(), Error> {
    let available = file::read(place.point(), "cgroup.controllers")?;
    let mut wanted: Vec<&str> = available.split_whitespace().collect();
    let ancestors: Vec<&str> = place.ancestors().collect();
    // Nothing is enabled at the bottom that is not enabled all the way down to it.
    if wanted.is_empty() || missing(&wanted, &file::read(ancestors[0], CONTROL)?).is_empty() {
        // A cgroup that has enabled one for whole domains has no threaded ones below.
        return match wanted.iter().all(|controller| THREADED.contains(controller)) {
            true => join_threads(place),
            false => Ok(()),
        };
    }
    for dir in ancestors.iter().rev() {
        let enabled = file::read(dir, CONTROL)?;
        let refused = add(dir, &missing(&wanted, &enabled));
        wanted.retain(|controller| !refused.contains(controller));
    }
    if wanted.len() < available.split_whitespace().count() {
        join_threads(place)?;
    }
    Ok(())
}

fn missing<'a>(wanted: &[&'a str], enabled: &str) -> Vec<&'a str> {
    let is_missing =
        |controller: &&&str| !enabled.split_whitespace().any(|one| one == **controller);
    wanted.iter().filter(is_missing).copied().collect()
}

/// Enables what it can and returns the rest. The kernel takes all of a line or nothing.
fn add<'a>(dir: &str, controllers: &[&'a str]) -> Vec<&'a str> {
    if controllers.is_empty() || file::write(dir, CONTROL, &line(controllers)).is_ok() {
        return Vec::new();
    }
    let is_refused =
        |controller: &&&str| file::write(dir, CONTROL, &line(&[**controller])).is_err();
    controllers.iter().filter(is_refused).copied().collect()
}

fn line(controllers: &[&str]) -> String {
    let mut line = String::new();
    for controller in controllers {
        line.push_str(if line.is_empty() { "+" } else { " +" });
        line.push_str(controller);
    }
    line
}

/// Below a cgroup that has given its threads to its children nothing but a threaded cgroup can have
/// processes. It has no memory or io limits; a configuration that wants them will fail when they are set.
pub(crate) fn join_threads(place: &Place) -> Result<(), Error> {
    if file::read(place.dir(), TYPE)?.trim_end() == "domain invalid" {
        file::write(place.dir(), TYPE, "threaded")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_compares_whole_words() {
        assert_eq!(missing(&["cpu", "cpuset", "io"], "cpuset memory\n"), ["cpu", "io"]);
        assert!(missing(&["cpu"], "io cpu\n").is_empty());
    }

    #[test]
    fn a_line_adds_each_controller() {
        assert_eq!(line(&["cpu", "io"]), "+cpu +io");
    }
}
