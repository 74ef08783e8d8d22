//! Configurations with random damage: never a panic, and every refusal is one line about a place that is
//! there (or could be).

use coble_spec::reference_token;

use super::*;
use crate::prng::Prng;

/// Values that are easily got wrong.
fn odd(random: &mut Prng) -> Value {
    let texts = [
        "",
        "/",
        "..",
        ".",
        "a",
        "/a",
        "\0",
        "\n",
        "é\u{2028}",
        "=",
        "A=b",
        "a:b:c",
        "1.0.0",
        "~1",
        "bind",
        "rbind",
        "remount",
        "uid=7",
        "tmpcopyup",
        "CAP_KILL",
        "RLIMIT_CPU",
        "pid",
        "user",
        "kernel.hostname",
        "2MB",
        "rwm",
        "c",
        "skip",
        "private",
        "monotonic",
    ];
    let numbers = [
        0,
        1,
        -1,
        5,
        340,
        1 << 20,
        i64::from(u32::MAX),
        i64::from(u32::MAX) - 1,
        i64::MAX,
        i64::MIN,
    ];
    match random.below(8) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 | 3 => json!(random.pick(&numbers)),
        4 => json!({ *random.pick(&texts): *random.pick(&texts) }),
        5 => json!([random.pick(&texts), random.pick(&texts)]),
        _ => json!(random.pick(&texts)),
    }
}

/// Every place in `value`, as pointers.
fn places(value: &Value, here: String, all: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| places(item, format!("{here}/{i}"), all));
        }
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            let name = reference_token(name);
            places(member, format!("{here}/{name}"), all);
        }),
        _ => {}
    }
    if !here.is_empty() {
        all.push(here);
    }
}

/// Takes a place away, puts something odd or something from elsewhere there, or doubles it.
fn damage(value: &mut Value, random: &mut Prng) {
    let mut all = Vec::new();
    places(value, String::new(), &mut all);
    if all.is_empty() {
        return;
    }
    let place = random.pick(&all).clone();
    let new = match random.below(5) {
        0 => None,
        1 => value.pointer(random.pick(&all).as_str()).cloned(),
        _ => Some(odd(random)),
    };
    let (parent, _) = place.rsplit_once('/').unwrap();
    let list = value.pointer(parent).is_some_and(Value::is_array);
    match random.below(4) {
        0 if list => {
            let copy = value.pointer(&place).cloned();
            set(value, &format!("{parent}/-"), copy);
        }
        _ => set(value, &place, new),
    }
}

/// The place, or the object or list that it would be in, exists.
fn exists(value: &Value, pointer: &str) -> bool {
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    value.pointer(pointer).is_some() || value.pointer(parent).is_some()
}

fn judge(value: &Value) -> Option<bool> {
    let spec: Spec = serde_json::from_value(value.clone()).ok()?;
    let Err(invalid) = validate(&spec) else { return Some(true) };
    let message = invalid.to_string();
    assert!(message.lines().count() == 1, "{message:?}");
    assert!(!message.contains(|character: char| character.is_control()), "{message:?}");
    assert!(!invalid.reason.is_empty());
    assert!(exists(value, &invalid.pointer), "{invalid:?} in {value}");
    assert_eq!(validate(&spec), Err(invalid), "the judgement changes");
    Some(false)
}

#[test]
fn damaged_values() {
    let mut random = Prng(5);
    let mut starts: Vec<Value> =
        known::configurations().into_iter().map(|(_, value)| value).collect();
    starts.extend((0..starts.len()).map(|_| good()));
    let (mut passed, mut refused) = (0, 0);
    for _ in 0..1500 {
        let mut value = random.pick(&starts).clone();
        for _ in 0..1 + random.below(3) {
            damage(&mut value, &mut random);
        }
        match judge(&value) {
            Some(true) => passed += 1,
            Some(false) => refused += 1,
            None => {}
        }
    }
    assert!(
        passed > 100 && refused > 100,
        "{passed} passed, {refused} refused: the damage is not mixed"
    );
}

#[test]
fn damaged_texts() {
    let mut random = Prng(6);
    let good = good().to_string().into_bytes();
    let mut judged = 0;
    for _ in 0..1500 {
        let mut text = good.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(text.len());
            match random.below(4) {
                0 => text[at] ^= 1 << random.below(8),
                1 => drop(text.remove(at)),
                2 => text[at] = *random.pick(b"0123456789-/.:~\"ax"),
                _ => text.insert(at, *random.pick(b"0123456789-/.:~ax")),
            }
        }
        let Ok(spec) = coble_spec::parse::<Spec>(&text) else { continue };
        judged += 1;
        if let Err(invalid) = validate(&spec) {
            assert_eq!(invalid.to_string().lines().count(), 1, "{invalid:?}");
        }
    }
    assert!(judged > 100, "only {judged} texts were readable");
}

/// Names and processes by themselves.
#[test]
fn damaged_processes() {
    let mut random = Prng(7);
    for _ in 0..1500 {
        let mut value = good().pointer("/process").unwrap().clone();
        for _ in 0..1 + random.below(3) {
            damage(&mut value, &mut random);
        }
        let Ok(process) = serde_json::from_value::<Process>(value.clone()) else { continue };
        if let Err(invalid) = validate_process(&process) {
            assert!(exists(&value, &invalid.pointer), "{invalid:?} in {value}");
            assert_eq!(invalid.to_string().lines().count(), 1, "{invalid:?}");
        }
    }
}
