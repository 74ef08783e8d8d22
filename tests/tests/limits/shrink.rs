//! The smallest section that still differs in the same way.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::compare::{self, Difference};
use crate::ground::Ground;

/// How long one section may take; what is left then is small enough.
const LIMIT: Duration = Duration::from_secs(30);

/// Removes what the difference doesn't need, until nothing more can go.
pub(crate) fn smallest(
    ground: &Ground,
    resources: &Value,
    difference: &Difference,
) -> (Value, Difference) {
    let mut smallest = (resources.clone(), difference.clone());
    let end = Instant::now() + LIMIT;
    let mut changed = true;
    while changed {
        changed = false;
        for place in places(&smallest.0) {
            if Instant::now() > end {
                return smallest;
            }
            let mut smaller = smallest.0.clone();
            if !remove(&mut smaller, &place) {
                continue;
            }
            let found = compare::all(ground, &smaller, &[difference.peer]).differences;
            if let Some(same) = found.into_iter().find(|one| one.subject() == difference.subject())
            {
                smallest = (smaller, same);
                changed = true;
            }
        }
    }
    smallest
}

/// JSON pointers to every member and item, the outer before what is in it, the last of a list first.
fn places(resources: &Value) -> Vec<String> {
    let mut places = Vec::new();
    walk(resources, "", &mut places);
    places.sort_by_key(|place| place.matches('/').count());
    places
}

fn walk(value: &Value, at: &str, places: &mut Vec<String>) {
    let mut into = |name: &str, value: &Value| {
        let place = format!("{at}/{name}");
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

/// `false` if it isn't there any more.
fn remove(resources: &mut Value, place: &str) -> bool {
    let (outer, name) = place.rsplit_once('/').unwrap();
    match resources.pointer_mut(outer) {
        Some(Value::Object(members)) => members.remove(name).is_some(),
        Some(Value::Array(items)) => {
            let index: usize = name.parse().unwrap();
            let there = index < items.len();
            there.then(|| items.remove(index));
            there
        }
        _ => false,
    }
}
