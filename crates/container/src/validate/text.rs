//! Checks and forms of text.

use std::borrow::Cow;

use coble_spec::reference_token;
use serde::Serialize;
use serde_json::Value;

use super::Invalid;

/// Longest text that a message repeats, in characters.
const QUOTED: usize = 100;

/// `text` in quotes, as a message may show it: without control characters, and not without end.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// `text` with its control characters written as escapes.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    // Unicode has two line breaks that are no control characters.
    let breaks =
        |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    if !text.contains(breaks) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            _ if breaks(character) => line.extend(character.escape_default()),
            _ => line.push(character),
        }
    }
    Cow::Owned(line)
}

/// The version is written like `1.2.0-dev+x`, and its first number is 1: later 1.x configurations mean the
/// same by the members that are known here, and what is new in them is new members.
pub(super) fn version(text: &str) -> Result<(), Invalid> {
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let reason = match numbers.split('.').count() {
        1..=3 if numbers.split('.').all(number) => match numbers.split('.').next() {
            Some("1") => return Ok(()),
            _ => "is not supported: only versions 1.x of the runtime specification are",
        },
        _ => "is not a version such as \"1.3.0\"",
    };
    Err(Invalid::at("/ociVersion", format!("{} {reason}", quoted(text))))
}

/// No string in `object` has a NUL: all of them reach the kernel or a program as C strings, which would end
/// there.
pub(super) fn without_nul(object: &impl Serialize) -> Result<(), Invalid> {
    let unreadable = |error: serde_json::Error| Invalid::at("", error.to_string());
    let text = serde_json::to_vec(object).map_err(unreadable)?;
    if !may_have_nul(&text) {
        return Ok(());
    }
    let value = serde_json::from_slice(&text).map_err(unreadable)?;
    match find_nul(&value, &mut String::new()) {
        Some(pointer) => Err(Invalid::at(pointer, "must not contain a NUL character")),
        None => Ok(()),
    }
}

/// Whether a string of a JSON text may have a NUL, which stands there in this form only (RFC 8259, 7). Not sure:
/// the text may hold a backslash that is followed by `u0000`.
pub(super) fn may_have_nul(text: &[u8]) -> bool {
    const NUL: &[u8] = br"\u0000";
    // Few have a backslash, and to look for one byte is ten times as fast.
    text.contains(&NUL[0]) && text.windows(NUL.len()).any(|part| part == NUL)
}

/// Where the first string with a NUL stands.
fn find_nul(value: &Value, pointer: &mut String) -> Option<String> {
    let length = pointer.len();
    let mut inside = |name: &str, value: &Value| {
        pointer.truncate(length);
        pointer.push('/');
        pointer.push_str(&reference_token(name));
        if name.contains('\0') { Some(pointer.clone()) } else { find_nul(value, pointer) }
    };
    match value {
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| inside(&index.to_string(), item))
        }
        Value::Object(members) => members.iter().find_map(|(name, value)| inside(name, value)),
        Value::String(text) => text.contains('\0').then(|| pointer.clone()),
        _ => None,
    }
}
