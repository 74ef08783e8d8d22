//! Text to [`Spec`](crate::Spec), with an error that says where.

use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::pointer::{offset, pointer_at};

/// Why a JSON text is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Not JSON at all.
    Syntax {
        /// First line is 1.
        line: usize,
        /// First column is 1.
        column: usize,
        /// What the parser says of it.
        reason: String,
    },
    /// JSON, but a value has the wrong type or is missing.
    Value {
        /// Where, as RFC 6901 writes it; empty for the whole text.
        pointer: String,
        /// What the parser says of it.
        reason: String,
    },
}

impl ParseError {
    /// The JSON pointer (RFC 6901) to the value that is wrong; empty for the whole text.
    pub fn pointer(&self) -> &str {
        match self {
            Self::Syntax { .. } => "",
            Self::Value { pointer, .. } => pointer,
        }
    }

    /// The same, seen from the text that has this one's at `pointer`.
    #[must_use]
    pub fn below(mut self, pointer: &str) -> Self {
        if let Self::Value { pointer: below, .. } = &mut self {
            below.insert_str(0, pointer);
        }
        self
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column, reason } => {
                write!(f, "broken JSON at line {line} column {column}: {reason}")
            }
            Self::Value { pointer, reason } => {
                write!(f, "{}: {reason}", if pointer.is_empty() { "/" } else { pointer })
            }
        }
    }
}

impl std::error::Error for ParseError {}

/// Reads one JSON value of type `T`.
///
/// # Errors
/// [`ParseError`], with line and column for broken JSON and a JSON pointer for a value of the wrong type.
pub fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, ParseError> {
    serde_json::from_slice(text).map_err(|error| located(text, &error))
}

/// The parser doesn't keep track of where it is, which would cost time and a second parser in the program; line and
/// column tell.
fn located(text: &[u8], error: &serde_json::Error) -> ParseError {
    let (line, column) = (error.line(), error.column());
    let reason = reason(error);
    let end = offset(text, line, column);
    if error.is_data() {
        return ParseError::Value { pointer: pointer_at(text, end), reason };
    }
    // Another value in place of a name is called bad syntax, too; its first byte is counted then.
    if serde_json::from_slice::<IgnoredAny>(text).is_ok() {
        return ParseError::Value { pointer: pointer_at(text, end.saturating_sub(1)), reason };
    }
    ParseError::Syntax { line, column, reason }
}

/// The message without serde_json's own ` at line N column N`.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Spec, reference_token};

    fn error(text: &str) -> ParseError {
        parse::<Spec>(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn broken_json_gives_line_and_column() {
        let text = "{\n  \"ociVersion\": \"1.0.2\",\n  \"root\": }\n";
        assert!(matches!(error(text), ParseError::Syntax { line: 3, column: 11, .. }));
        assert!(matches!(error(""), ParseError::Syntax { .. }));
        assert!(matches!(error("{} x"), ParseError::Value { .. }), "the version is missing first");
        assert!(matches!(error(r#"{"ociVersion":"1"} x"#), ParseError::Syntax { .. }));
    }

    #[test]
    fn wrong_type_gives_the_json_pointer() {
        let ParseError::Value { pointer, reason } =
            error(r#"{"ociVersion":"1","process":{"args":["a",7],"cwd":"/"}}"#)
        else {
            panic!()
        };
        assert_eq!(pointer, "/process/args/1");
        assert_eq!(reason, "invalid type: integer `7`, expected a string");
    }

    #[test]
    fn a_number_in_place_of_a_name_is_no_broken_json() {
        let text = r#"{"ociVersion":"1","linux":{"namespaces":[{"type":7}]}}"#;
        assert_eq!(error(text).pointer(), "/linux/namespaces/0/type");
    }

    #[test]
    fn pointers_are_escaped() {
        let ParseError::Value { pointer, .. } =
            error(r#"{"ociVersion":"1","annotations":{"a/b~c":1}}"#)
        else {
            panic!()
        };
        assert_eq!(pointer, "/annotations/a~1b~0c");
    }

    #[test]
    fn null_is_absent() {
        let spec: Spec =
            parse(br#"{"ociVersion":"1","mounts":null,"hooks":null,"linux":null,"hostname":null}"#)
                .unwrap();
        assert_eq!(spec, Spec { oci_version: "1".into(), ..Spec::default() });
    }

    #[test]
    fn unknown_namespace_is_a_value_error() {
        let ParseError::Value { pointer, reason } =
            error(r#"{"ociVersion":"1","linux":{"namespaces":[{"type":"pid"},{"type":"moon"}]}}"#)
        else {
            panic!()
        };
        assert_eq!(pointer, "/linux/namespaces/1/type");
        assert!(reason.starts_with("unknown variant `moon`"), "{reason}");
    }

    /// The same by the library that keeps track while it parses.
    fn tracked(text: &str) -> Option<String> {
        use serde_path_to_error::Segment;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let error = serde_path_to_error::deserialize::<_, Spec>(&mut deserializer).err()?;
        let segments = error.path().iter().map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", reference_token(key)),
            other => panic!("{other}"),
        });
        Some(segments.collect())
    }

    /// The pointers to all values below `value`, itself included.
    fn places(value: &Value, pointer: &str, found: &mut Vec<String>) {
        found.push(pointer.to_owned());
        let mut go = |part: String, value| places(value, &format!("{pointer}/{part}"), found);
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                go(reference_token(name), value);
            }),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, value)| go(index.to_string(), value));
            }
            _ => {}
        }
    }

    /// Every value of configurations that engines have written is replaced by others in turn.
    #[test]
    fn the_place_is_that_of_a_parser_that_keeps_track() {
        let written = [
            include_str!("../../../tests/data/docker-20.10-limits.json"),
            include_str!("../../container/tests-data/configs/containerd-app-user.json"),
        ];
        let wrong = [
            json!(-1.5),
            json!("x"),
            json!({"x": [{}]}),
            json!([[7, "]"]]),
            json!(true),
            json!({}),
        ];
        let mut errors = 0;
        for good in written.map(|text| serde_json::from_str::<Value>(text).unwrap()) {
            let mut all = Vec::new();
            places(&good, "", &mut all);
            for (place, wrong) in all.iter().flat_map(|place| wrong.iter().map(move |w| (place, w)))
            {
                let mut bad = good.clone();
                *bad.pointer_mut(place).unwrap() = wrong.clone();
                let text = match errors % 2 {
                    0 => bad.to_string(),
                    _ => serde_json::to_string_pretty(&bad).unwrap(),
                };
                let own = parse::<Spec>(text.as_bytes()).err();
                let own = own.as_ref().map(ParseError::pointer);
                assert_eq!(own, tracked(&text).as_deref(), "{text}");
                errors += usize::from(own.is_some());
            }
        }
        assert!(errors > 1000, "only {errors} were errors");
    }
}
