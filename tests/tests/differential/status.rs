//! What the commands that tell of a container say: the same members of the same types.

use coble_container::Stats;
use serde_json::{Value, json};

use crate::ground::{Ground, Runtime};
use crate::setup::{Exec, Setup};

/// Names and types, without values. Lists have what their items have together.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), shape(member))).collect()
        }
        Value::Array(items) => json!([items.first().map(shape)]),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!("number"),
        Value::Bool(_) => json!("yes or no"),
        Value::Null => Value::Null,
    }
}

/// What both say of a container that runs.
fn told(words: &[&str]) -> Option<[Value; 2]> {
    let ground = Ground::new()?;
    let setup = Setup::least().exec(Exec::flags(&[]));
    Some([Runtime::Coble, Runtime::Runc].map(|runtime| ground.ask(&setup, runtime, words)))
}

#[test]
fn state() {
    let Some([ours, theirs]) = told(&["state"]) else { return };
    assert_eq!(shape(&ours), shape(&theirs));
    // The owner is empty with runc, though its `list` knows it.
    for member in ["id", "status", "bundle", "rootfs"] {
        assert_eq!(ours[member], theirs[member], "{member}");
    }
}

#[test]
fn list() {
    let Some([ours, theirs]) = told(&["list", "--format", "json"]) else { return };
    assert_eq!(shape(&ours), shape(&theirs));
    for member in ["id", "status", "bundle", "rootfs", "owner"] {
        assert_eq!(ours[0][member], theirs[0][member], "{member}");
    }
}

#[test]
fn ps() {
    let Some([ours, theirs]) = told(&["ps", "--format", "json"]) else { return };
    assert_eq!(shape(&ours), shape(&theirs));
    assert_eq!(ours.as_array().map(Vec::len), theirs.as_array().map(Vec::len));
}

#[test]
fn stats() {
    let Some([ours, theirs]) = told(&["events", "--stats"]) else { return };
    assert_eq!([&ours["type"], &ours["id"]], [&theirs["type"], &theirs["id"]]);
    // A figure that is zero is told by neither. So theirs is read as ours, and what is lost then is what coble has no place for.
    let known = read(&theirs["data"]);
    let missing = missing(&shape(&known), &shape(&theirs["data"]), "");
    assert!(missing.is_empty(), "coble lacks {missing:?}\ncoble: {ours:#}\nrunc: {theirs:#}");
    for (section, figures) in theirs["data"].as_object().unwrap() {
        assert!(figures.is_null() || !ours["data"][section].is_null(), "{section}: {ours:#}");
    }
}

/// The figures for which coble has a place.
fn read(data: &Value) -> Value {
    let stats = Stats {
        cgroup: serde_json::from_value(data.clone()).unwrap(),
        network_interfaces: serde_json::from_value(data["network_interfaces"].clone()).unwrap(),
        ..Stats::default()
    };
    serde_json::to_value(stats).unwrap()
}

/// What runc tells and coble doesn't, or of another type. What is empty says nothing, and runc since 1.3 leaves it
/// out, too. More is allowed: runc 1.1 doesn't tell all that is there.
fn missing(ours: &Value, theirs: &Value, at: &str) -> Vec<String> {
    let Value::Object(members) = theirs else {
        return if ours == theirs { Vec::new() } else { vec![format!("{at}: {ours}, {theirs}")] };
    };
    let inner = members.iter().map(|(name, member)| {
        if member.is_null() || *member == json!({}) {
            return Vec::new();
        }
        if ours[name].is_null() {
            return vec![format!("{at}/{name}")];
        }
        missing(&ours[name], member, &format!("{at}/{name}"))
    });
    inner.flatten().collect()
}
