//! Differences that are meant.
//!
//! Each is as narrow as it can be: a place, and a look at the two values or at the configuration.

mod cgroups;
mod exec;
mod hooks;
mod mounts;
mod process;
mod unshared;

use serde_json::Value;

use crate::compare::Difference;
use crate::setup::Setup;

/// A difference that is meant: where, under which circumstances, and why.
struct Known {
    /// The way to it; `*` is any name.
    place: &'static [&'static str],
    /// Whether these two values are the meant ones.
    is: fn(&Setup, &Difference) -> bool,
    /// Why, and who says so.
    why: &'static str,
}

/// Why a difference is meant.
pub(crate) fn reason(setup: &Setup, difference: &Difference) -> Option<&'static str> {
    let tables =
        [process::KNOWN, exec::KNOWN, mounts::KNOWN, cgroups::KNOWN, hooks::KNOWN, unshared::KNOWN];
    let fits =
        |known: &&Known| fits(known.place, &difference.place) && (known.is)(setup, difference);
    tables.into_iter().flatten().find(fits).map(|known| known.why)
}

fn fits(pattern: &[&str], place: &[String]) -> bool {
    pattern.len() == place.len()
        && pattern.iter().zip(place).all(|(one, other)| *one == "*" || one == other)
}

/// The words of a list.
fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn has(value: &Value, word: &str) -> bool {
    words(value).contains(&word)
}

/// The options of one of `mounts`.
fn options(mount: &Value) -> Vec<&str> {
    words(&mount["options"])
}

/// Where a path in the test's root leads to.
fn real(path: &str) -> String {
    let path = path.replace("/dir/../", "/");
    let path = path.trim_end_matches("/.");
    for (link, target) in [
        ("/link-dir", "/dir"),
        ("/link-abs", "/dir"),
        ("/link-up", "/dir"),
        ("/link-away", "/away/nowhere"),
        ("/link-file", "/file"),
    ] {
        if let Some(rest) = path.strip_prefix(link) {
            return format!("{target}{rest}");
        }
    }
    if path == "/dir/link" { "/dir/file".to_owned() } else { path.to_owned() }
}

/// Whether a path is one of the masked ones.
fn masked(setup: &Setup, path: &str) -> bool {
    let paths = words(&setup.config["linux"]["maskedPaths"]);
    paths.into_iter().any(|masked| real(masked) == real(path))
}
