//! The smallest configuration that still differs in the same way.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::compare::{Difference, differences};
use crate::ground::Ground;
use crate::setup::Setup;

/// How long one configuration may take; what is left then is small enough.
const LIMIT: Duration = Duration::from_secs(60);

/// Removes what the difference doesn't need, until nothing more can go. A refusal stays one in the same words.
pub(crate) fn smallest(
    ground: &Ground,
    setup: &Setup,
    difference: &Difference,
) -> (Setup, Vec<Difference>) {
    let mut smallest = (setup.clone(), vec![difference.clone()]);
    let end = Instant::now() + LIMIT;
    let mut changed = true;
    while changed {
        changed = false;
        for place in places(&smallest.0.config) {
            for change in [least, remove, remove_with_user] {
                if Instant::now() > end {
                    return smallest;
                }
                let mut smaller = smallest.0.clone();
                // Without a mount namespace of its own runc 1.1 changes the host's mounts.
                if !change(&mut smaller.config, &place) || !smaller.has_namespace("mount") {
                    continue;
                }
                let mut found = differences(ground, &smaller);
                found.retain(|one| one.subject() == difference.subject());
                if !found.is_empty() {
                    smallest = (smaller, found);
                    changed = true;
                }
            }
        }
    }
    smallest
}

/// JSON pointers to every member and item: the outer before what is in it, the last of a list first.
fn places(config: &Value) -> Vec<String> {
    let mut places = Vec::new();
    walk(config, "", &mut places);
    places.sort_by_key(|place| place.matches('/').count());
    places
}

fn walk(value: &Value, at: &str, places: &mut Vec<String>) {
    let mut into = |name: &str, value: &Value| {
        let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        places.push(place.clone());
        walk(value, &place, places);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| into(name, member)),
        Value::Array(items) => {
            items.iter().enumerate().rev().for_each(|(index, item)| into(&index.to_string(), item));
        }
        _ => {}
    }
}

/// Puts in what the least configuration has there, unless that is there already.
fn least(config: &mut Value, place: &str) -> bool {
    let least = Setup::least().config;
    match (config.pointer_mut(place), least.pointer(place)) {
        (Some(value), Some(least)) if value != least && !least.is_object() => {
            *value = least.clone();
            true
        }
        _ => false,
    }
}

/// A user namespace goes with its mappings.
fn remove_with_user(config: &mut Value, place: &str) -> bool {
    let user = config.pointer(place).is_some_and(|value| value["type"] == "user");
    user && remove(config, place)
        && remove(config, "/linux/uidMappings")
        && remove(config, "/linux/gidMappings")
}

/// `false` if it isn't there any more.
fn remove(config: &mut Value, place: &str) -> bool {
    let (outer, name) = place.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    match config.pointer_mut(outer) {
        Some(Value::Object(members)) => members.remove(&name).is_some(),
        Some(Value::Array(items)) => {
            let index: usize = name.parse().unwrap();
            let there = index < items.len();
            there.then(|| items.remove(index));
            there
        }
        _ => false,
    }
}
