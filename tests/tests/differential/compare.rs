//! The differences between two views.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::ground::{Ground, Runtime, Seen};
use crate::known;
use crate::setup::Setup;

/// One fact that isn't the same.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// The way to it: the property, then names in it.
    pub(crate) place: Vec<String>,
    /// What it is with coble.
    pub(crate) ours: Value,
    /// What it is with runc.
    pub(crate) theirs: Value,
    /// What was said by the one that refused.
    pub(crate) words: Option<String>,
}

impl Difference {
    /// What stays the same while a configuration shrinks: the property, which of its facts, and the words of a refusal.
    pub(crate) fn subject(&self) -> (&str, &str, Option<&str>) {
        (&self.place[0], self.place.last().unwrap(), self.words.as_deref())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.place.join(" > "))?;
        writeln!(f, "    coble: {}", self.ours)?;
        write!(f, "    runc:  {}", self.theirs)?;
        self.words.as_ref().map_or(Ok(()), |words| write!(f, "\n    words: {words}"))
    }
}

/// What comes of a setup with both.
pub(crate) struct Compared {
    /// What is different and not known to be.
    pub(crate) differences: Vec<Difference>,
    /// What each said, if both refused it.
    pub(crate) refused: Option<[String; 2]>,
}

/// Runs a setup with both.
pub(crate) fn both(ground: &Ground, setup: &Setup) -> Compared {
    let ours = ground.run(setup, Runtime::Coble);
    let theirs = ground.run(setup, Runtime::Runc);
    let mut differences = between(&ours, &theirs);
    differences.retain(|difference| known::reason(setup, difference).is_none());
    Compared { differences, refused: ours.refusal.zip(theirs.refusal).map(Into::into) }
}

/// The differences alone.
pub(crate) fn differences(ground: &Ground, setup: &Setup) -> Vec<Difference> {
    both(ground, setup).differences
}

fn between(ours: &Seen, theirs: &Seen) -> Vec<Difference> {
    let mut found = Vec::new();
    match (&ours.refusal, &theirs.refusal) {
        (None, None) => walk(&mut Vec::new(), &ours.view, &theirs.view, &mut found),
        (Some(_), Some(_)) => {
            walk(
                &mut vec!["left".to_owned()],
                &ours.view["left"],
                &theirs.view["left"],
                &mut found,
            );
        }
        _ => found.push(refused(ours, theirs)),
    }
    found
}

fn refused(ours: &Seen, theirs: &Seen) -> Difference {
    // What is seen of one alone says nothing.
    Difference {
        place: vec!["refused".to_owned()],
        ours: ours.view["refused"].clone(),
        theirs: theirs.view["refused"].clone(),
        words: ours.refusal.clone().or(theirs.refusal.clone()),
    }
}

fn walk(place: &mut Vec<String>, ours: &Value, theirs: &Value, found: &mut Vec<Difference>) {
    let mut into = |name: &str, ours: &Value, theirs: &Value| {
        place.push(name.to_owned());
        walk(place, ours, theirs, found);
        place.pop();
    };
    match (ours, theirs) {
        _ if ours == theirs => {}
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            names.into_iter().for_each(|name| into(name, &ours[name], &theirs[name]));
        }
        (Value::Array(one), Value::Array(other))
            if one.len() == other.len() && one.iter().chain(other).all(Value::is_object) =>
        {
            one.iter().zip(other).enumerate().for_each(|(index, (ours, theirs))| {
                into(&index.to_string(), ours, theirs);
            });
        }
        _ => found.push(Difference {
            place: place.clone(),
            ours: ours.clone(),
            theirs: theirs.clone(),
            words: None,
        }),
    }
}
