//! Annotations `org.systemd.property.NAME`: further properties of the unit, as texts of GVariant.

use std::collections::BTreeMap;

use coble_spec::reference_token;

use super::property::Property;
use super::value::Value;
use crate::Error;

/// What such an annotation begins with.
pub const PREFIX: &str = "org.systemd.property.";
/// What decides where the container is and what it may do.
const OURS: [&str; 5] = ["PIDs", "Slice", "Delegate", "DeviceAllow", "DevicePolicy"];
const SECOND: u64 = 1_000_000;

/// The properties that the annotations ask for.
///
/// # Errors
/// [`Error::Value`] for a name that is none, or a value that can't be read.
pub(crate) fn properties(annotations: &BTreeMap<String, String>) -> Result<Vec<Property>, Error> {
    let ours = annotations.iter().filter_map(|(key, text)| Some((key.strip_prefix(PREFIX)?, text)));
    ours.map(|(name, text)| {
        one(name, text).map_err(|reason| {
            Error::value(format!("/annotations/{PREFIX}{}", reference_token(name)), reason)
        })
    })
    .collect()
}

fn one(name: &str, text: &str) -> Result<Property, String> {
    if name.len() < 3 || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(format!("{name:?} is not the name of a property"));
    }
    if OURS.contains(&name) {
        return Err("this property is set by the runtime".to_owned());
    }
    let value = parse(text).ok_or_else(|| {
        format!("{text:?} is not a number, a text, true, false or a list of such (GVariant)")
    })?;
    // Units have seconds where properties on the bus have microseconds.
    let seconds =
        name.strip_suffix("Sec").filter(|stem| stem.ends_with(|c: char| c.is_ascii_lowercase()));
    let Some(stem) = seconds else { return Ok(Property::new(name.to_owned(), value)) };
    let value =
        microseconds(&value).ok_or_else(|| format!("{text:?} is not a number of seconds"))?;
    Ok(Property::new(format!("{stem}USec"), Value::U64(value)))
}

fn microseconds(value: &Value) -> Option<u64> {
    let whole = match value {
        Value::Byte(seconds) => u64::from(*seconds),
        Value::I16(seconds) => u64::try_from(*seconds).ok()?,
        Value::U16(seconds) => u64::from(*seconds),
        Value::I32(seconds) => u64::try_from(*seconds).ok()?,
        Value::U32(seconds) => u64::from(*seconds),
        Value::I64(seconds) => u64::try_from(*seconds).ok()?,
        Value::U64(seconds) => *seconds,
        Value::Double(seconds) if (0.0..1e12).contains(seconds) => {
            return Some((seconds * SECOND as f64) as u64);
        }
        _ => return None,
    };
    whole.checked_mul(SECOND)
}

/// A text of GVariant: a number, with the name of its type before it unless it is an int32 or a double; a text in
/// quotes; `true`, `false`; or a list of these in brackets, an empty one with its type before it.
fn parse(text: &str) -> Option<Value> {
    let text = text.trim();
    let (kind, text) = match text.strip_prefix('@') {
        Some(rest) => {
            let (signature, rest) = rest.split_once(' ')?;
            (named(signature)?, rest.trim())
        }
        None => (None, text),
    };
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return list(kind.map(|kind| kind.strip_prefix('a')), inner);
    }
    basic(kind, text)
}

/// A signature that is known, as a constant.
fn named(signature: &str) -> Option<Option<&'static str>> {
    const KNOWN: [&str; 20] = [
        "b", "y", "n", "q", "i", "u", "x", "t", "d", "s", "ab", "ay", "an", "aq", "ai", "au", "ax",
        "at", "ad", "as",
    ];
    KNOWN.into_iter().find(|known| *known == signature).map(Some)
}

fn list(kind: Option<Option<&'static str>>, inner: &str) -> Option<Value> {
    let mut kind = match kind {
        Some(Some(element)) => Some(element),
        Some(None) => return None,
        None => None,
    };
    let mut values = Vec::new();
    for item in items(inner)? {
        let value = basic(kind, item.trim())?;
        let signature = value.signature();
        // The first one's type is that of all.
        kind = kind.or(named(&signature)?);
        if kind != Some(signature.as_str()) {
            return None;
        }
        values.push(value);
    }
    Some(Value::Array(kind?, values))
}

/// The parts between commas, which may also stand in a text in quotes.
fn items(inner: &str) -> Option<Vec<&str>> {
    let (mut items, mut start, mut quote, mut escaped) = (Vec::new(), 0, None, false);
    if inner.trim().is_empty() {
        return Some(items);
    }
    for (at, letter) in inner.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if letter == '\\' => escaped = true,
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if matches!(letter, '\'' | '"') => quote = Some(letter),
            None if letter == ',' => {
                items.push(&inner[start..at]);
                start = at + 1;
            }
            None => {}
        }
    }
    items.push(&inner[start..]);
    quote.is_none().then_some(items)
}

fn basic(kind: Option<&str>, text: &str) -> Option<Value> {
    const NAMES: [(&str, &str); 10] = [
        ("boolean ", "b"),
        ("byte ", "y"),
        ("int16 ", "n"),
        ("uint16 ", "q"),
        ("int32 ", "i"),
        ("uint32 ", "u"),
        ("int64 ", "x"),
        ("uint64 ", "t"),
        ("double ", "d"),
        ("string ", "s"),
    ];
    let before = NAMES.into_iter().find_map(|(word, kind)| Some((kind, text.strip_prefix(word)?)));
    if let Some((kind, rest)) = before {
        return basic(Some(kind), rest.trim());
    }
    if let Some(unquoted) = unquoted(text) {
        return matches!(kind, None | Some("s")).then_some(Value::Text(unquoted));
    }
    let kind = kind.unwrap_or(match text {
        "true" | "false" => "b",
        number if number.contains(['.', 'e']) && !number.starts_with("0x") => "d",
        _ => "i",
    });
    let number = || whole(text);
    Some(match kind {
        "b" => Value::Bool(text.parse().ok()?),
        "y" => Value::Byte(number()?.try_into().ok()?),
        "n" => Value::I16(number()?.try_into().ok()?),
        "q" => Value::U16(number()?.try_into().ok()?),
        "i" => Value::I32(number()?.try_into().ok()?),
        "u" => Value::U32(number()?.try_into().ok()?),
        "x" => Value::I64(number()?.try_into().ok()?),
        "t" => Value::U64(number()?.try_into().ok()?),
        "d" => Value::Double(text.parse().ok().filter(|number: &f64| number.is_finite())?),
        _ => return None,
    })
}

/// A whole number: decimal, `0x` and hexadecimal, or `0` and octal.
fn whole(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.strip_prefix("0x") {
        Some(digits) => (16, digits),
        None if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        None => (10, digits),
    };
    let number = u64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))?;
    Some(sign * i128::from(number))
}

/// The text between two quotes, which may have escaped letters.
fn unquoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|letter| matches!(letter, '\'' | '"'))?;
    let mut letters = text[1..].chars();
    let mut out = String::new();
    loop {
        match letters.next()? {
            '\\' => out.push(match letters.next()? {
                'n' => '\n',
                't' => '\t',
                letter @ ('\\' | '\'' | '"') => letter,
                _ => return None,
            }),
            '\0' => return None,
            letter if letter == quote => return letters.as_str().is_empty().then_some(out),
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, text: &str) -> String {
        let annotations = BTreeMap::from([(format!("{PREFIX}{name}"), text.to_owned())]);
        match properties(&annotations) {
            Ok(properties) => properties.iter().map(ToString::to_string).collect(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn values_are_those_of_gvariant() {
        for (text, expected) in [
            ("true", "b true"),
            ("5", "i 5"),
            ("-5", "i -5"),
            ("uint64 123456789", "t 123456789"),
            ("@t 7", "t 7"),
            ("byte 0x1f", "y 0x1f"),
            ("int16 010", "n 8"),
            ("1.5", "d 1.5"),
            ("'inactive-or-failed'", "s \"inactive-or-failed\""),
            ("\"it's\"", "s \"it's\""),
            (r"'a\'b'", "s \"a'b\""),
            ("['a.service', 'b, c']", "as [\"a.service\", \"b, c\"]"),
            ("[uint32 1, 2]", "au [1, 2]"),
            ("@as []", "as []"),
        ] {
            assert_eq!(shown("Name", text), format!("Name={expected}"), "{text}");
        }
    }

    #[test]
    fn seconds_become_microseconds() {
        assert_eq!(shown("TimeoutStopSec", "5"), "TimeoutStopUSec=t 5000000");
        assert_eq!(shown("TimeoutStopSec", "1.25"), "TimeoutStopUSec=t 1250000");
        assert_eq!(shown("TimeoutStopSec", "uint64 1"), "TimeoutStopUSec=t 1000000");
        assert_eq!(shown("TimeoutStopUSec", "uint64 9"), "TimeoutStopUSec=t 9");
        assert!(shown("TimeoutStopSec", "'5'").contains("is not a number of seconds"));
        assert!(shown("TimeoutStopSec", "-5").contains("is not a number of seconds"));
    }

    #[test]
    fn what_can_not_be_read_is_refused_with_its_place() {
        for text in [
            "",
            "x",
            "uint64 -1",
            "byte 256",
            "'a",
            "'a'b",
            "[1, 'a']",
            "[]",
            "@as 5",
            "(1,2)",
            "{}",
        ] {
            let message = shown("Name", text);
            assert!(message.starts_with("/annotations/org.systemd.property.Name: "), "{message}");
        }
        for name in ["", "ab", "A b", "A1b", "Name.x"] {
            assert!(shown(name, "1").contains("is not the name of a property"), "{name}");
        }
        assert!(shown("Slice", "'x.slice'").contains("is set by the runtime"));
        let others = BTreeMap::from([("org.systemd".to_owned(), "x".to_owned())]);
        assert_eq!(properties(&others), Ok(Vec::new()));
    }
}
